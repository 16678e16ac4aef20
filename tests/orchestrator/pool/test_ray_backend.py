"""What becomes of Ray's errors. No Ray runs: `ray.get` and `ray.put` raise."""

import numpy as np
import pytest
import ray
from ray import exceptions
from small_configs import sinusoid

from orchestrator.pool.backend import BackendError
from orchestrator.pool.ray_backend import RayBackend
from workers.wire.errors import PoolError
from workers.wire.protocol import Weights

DEATHS = (
    exceptions.RuntimeEnvSetupError("pip found no such package"),
    exceptions.OutOfDiskError("the disk is full"),
    exceptions.NodeDiedError("node 12 died"),
    exceptions.LocalRayletDiedError("the raylet died"),
    exceptions.ActorUnschedulableError("no node fits"),
    exceptions.ActorPlacementGroupRemoved(),
    exceptions.OutOfMemoryError("the node is low on memory"),
    exceptions.WorkerCrashedError(),
)


@pytest.fixture
def backend():
    return RayBackend(sinusoid().worker, 1, 0)


@pytest.fixture
def failing(monkeypatch):
    """`failing(error)`: each answer is this error from now on."""

    def fail(error):
        def raise_it(*arguments, **options):
            raise error

        monkeypatch.setattr(ray, "get", raise_it)
        monkeypatch.setattr(ray, "put", raise_it)

    return fail


@pytest.mark.parametrize("error", DEATHS, ids=lambda error: type(error).__name__)
def test_an_error_that_ray_gives_for_an_answer_is_the_actors_death(backend, failing, error):
    failing(error)
    with pytest.raises(BackendError) as raised:
        backend.answer("a call")
    assert type(raised.value).__name__ == "ActorDiedError"
    assert str(raised.value)
    assert "\n" not in str(raised.value)


def test_the_reason_of_an_environment_that_failed_is_named(backend, failing):
    failing(exceptions.RuntimeEnvSetupError("pip found no such package\nand so on"))
    with pytest.raises(BackendError, match=r"environment\. pip found no such package$"):
        backend.answer("a call")


class FullStore:
    """A method of an actor, whose arguments do not fit into the object store."""

    def remote(self, *arguments):
        raise exceptions.ObjectStoreFullError("the store is full\nand so on")


class Handle:
    build = run = run_and_keep = add = FullStore()


def test_an_object_store_that_is_full_ends_the_run_in_a_line(backend, failing):
    large = Weights(np.zeros(10**6, np.float32), np.zeros(0, np.float32), 0)
    failing(exceptions.ObjectStoreFullError("the store is full\nand so on"))
    for send in (
        lambda: backend.share(large),
        lambda: backend.build(Handle, []),
        lambda: backend.run(Handle, b"", []),
        lambda: backend.run_and_keep(Handle, b"", []),
        lambda: backend.add(Handle, [], [], 1.0),
    ):
        with pytest.raises(PoolError, match=r"^Ray cannot send \w+ to actors: ") as raised:
            send()
        assert "\n" not in str(raised.value)
