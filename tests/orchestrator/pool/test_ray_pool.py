import dataclasses
import itertools
import os
import signal
import threading

import echo_actor
import numpy as np
import pytest
import ray
from echo_actor import SETTINGS, EchoActor, blocks_of, weights_of
from kept_actors import keeping_actors
from small_configs import REPTILE, USER_MODEL, images, sinusoid
from small_runs import in_process, sha256_after

from orchestrator.config.driver_settings import PoolSettings
from orchestrator.loop import meta_train
from orchestrator.outer.blocks import example_blocks, train_blocks
from orchestrator.outer.update import OuterUpdate
from orchestrator.pool.ray_pool import RayPool
from orchestrator.run.launch import Launch
from workers.wire.combine import combine
from workers.wire.errors import FingerprintError, NonFiniteError, PoolError, TaskError
from workers.wire.tensors import sha256

pytestmark = [pytest.mark.ray, pytest.mark.usefixtures("kept")]


@pytest.fixture(scope="module")
def kept(shared_ray):
    """One Ray for all tests of this file, and the same processes for most; pools leave both."""
    with keeping_actors():
        yield


@pytest.fixture(scope="module")
def convolutions(image_zip, image_cache):
    return in_process(images(image_zip, image_cache, "outer.steps=3", "workers.block_size=1"))


#: The default execution of dense networks.
SHIPPED = ["runtime.execution=vectorized", "runtime.xla=true"]


@pytest.fixture(scope="module")
def sinusoids():
    small = ["algorithm.inner_steps=2", "model.hidden=[4]", "task.shots=2", "task.queries=2"]
    return in_process(sinusoid(*REPTILE, *small, "outer.steps=3", *SHIPPED))


@pytest.fixture(scope="module")
def users_model():
    """Dropout, running statistics, and Keras' normalization layers."""
    # Four processes trace it. Second derivatives elsewhere: of the convolutions.
    few = ["algorithm.first_order=true", "outer.steps=3", "model.statistics=running"]
    return in_process(sinusoid(*USER_MODEL, *few))


@pytest.fixture
def make_pool(kept):
    """RayPool(config, actors), closed at the end of the test."""
    pools = []

    def make(launch, count, **changes):
        workers = PoolSettings(**{"max_failures": 3, **changes})
        examples = example_blocks(launch.config, launch.family)
        pools.append(RayPool(launch.config.worker, count, workers, examples=examples))
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


@pytest.fixture
def two_actors(sinusoids, make_pool):
    return make_pool(sinusoids, 2, max_failures=1)


@pytest.fixture
def echo_actors():
    ray.cloudpickle.register_pickle_by_value(echo_actor)  # which actors cannot import
    yield
    ray.cloudpickle.unregister_pickle_by_value(echo_actor)


def first_blocks(launch):
    return launch.initial_state().weights, train_blocks(launch.config, launch.family, 0)


def broken(block):
    """The block with a task that cannot be built."""
    return dataclasses.replace(block, specs={"nothing": np.zeros(block.hi - block.lo)})


def test_theta_of_maml_is_the_same_with_1_2_or_3_actors_and_if_one_is_killed(
    convolutions, make_pool
):
    expected = sha256_after(convolutions)
    for count in (3, 1, 2):  # three at once, of which later pools take some
        pool = make_pool(convolutions, count)
        pool.expect(convolutions.fingerprint)
        pool.wait_until_ready()
        assert sha256_after(convolutions, pool) == expected, f"{count} actors"
        assert pool.incidents.replaced_actors == 0
        if count == 2:
            assert sha256_with_a_kill(convolutions, pool, at_step=1) == expected
            assert pool.incidents.replaced_actors == 1
        pool.close()


@pytest.mark.slow
def test_theta_of_reptile_is_the_same_with_2_actors(sinusoids, two_actors):
    assert sha256_after(sinusoids, two_actors) == sha256_after(sinusoids)


def test_theta_is_the_same_if_actors_add_contributions(sinusoids, make_pool):
    pool = make_pool(sinusoids, 2, reduction="actors")
    pool.wait_until_ready()
    assert len(pool.run(*first_blocks(sinusoids))) == 1
    assert sha256_after(sinusoids, pool) == sha256_after(sinusoids)


@pytest.mark.slow
def test_theta_of_a_users_model_is_the_same_with_2_actors(users_model, make_pool):
    pool = make_pool(users_model, 2)
    pool.expect(users_model.fingerprint)
    assert users_model.fingerprint["model"]
    assert sha256_after(users_model, pool) == sha256_after(users_model)


def test_an_actor_with_another_model_is_refused(users_model, make_pool):
    pool = make_pool(users_model, 1)
    pool.expect({**users_model.fingerprint, "model": "another"})
    with pytest.raises(FingerprintError, match="model: 'another' here"):
        pool.wait_until_ready()


def sha256_with_a_kill(launch, pool, at_step):
    """As `sha256_after`, but an actor dies while it has blocks to run."""
    outer = OuterUpdate(launch.config.outer, launch.initial_state())
    victim = pool.pids()[0]
    for report in meta_train(launch.config, launch.family, pool, outer):
        if report.step == at_step:
            # Stopped, it is sent its share of the next step all the same, and dies with it.
            os.kill(victim, signal.SIGSTOP)
            threading.Timer(0.3, os.kill, (victim, signal.SIGKILL)).start()
    assert victim not in pool.pids()
    return sha256(outer.state().theta)


def test_contributions_come_in_the_order_of_the_blocks(sinusoids, two_actors):
    weights, blocks = first_blocks(sinusoids)
    contributions = two_actors.run(weights, blocks)
    num_blocks = [c.num_blocks for c in contributions]
    assert len(num_blocks) > 1
    assert [c.index for c in contributions] == list(itertools.accumulate([0, *num_blocks[:-1]]))
    straight = combine(sinusoids.pool.run(weights, blocks))
    assert combine(contributions).gradient.tobytes() == straight.gradient.tobytes()


def test_a_killed_actor_beyond_the_budget_ends_the_run_in_one_line(echo_actors):
    pool = RayPool(SETTINGS, 1, PoolSettings(max_failures=0), actor_class=EchoActor)
    pool.wait_until_ready()
    # Stopped, it takes the blocks that die with it.
    victim = pool.pids()[0]
    os.kill(victim, signal.SIGSTOP)
    threading.Timer(0.3, os.kill, (victim, signal.SIGKILL)).start()
    with pytest.raises(PoolError, match=r"1 actor was lost, workers\.max_failures = 0") as refused:
        pool.run(weights_of(3, 0), blocks_of(0, 4))
    assert "\n" not in str(refused.value)
    pool.close()


def test_an_exception_in_a_block_ends_the_run_with_its_step_its_tasks_and_its_cause(
    sinusoids, two_actors
):
    weights, blocks = first_blocks(sinusoids)
    with pytest.raises(TaskError) as refused:
        two_actors.run(weights, [*blocks[:1], broken(blocks[1]), *blocks[2:]])
    first, _, trace = str(refused.value).partition("\n")
    assert first == (
        "step 0, task 2: KeyError: 'amplitude' (spec: nothing [0.]; seed: 0; kind: train)"
    )
    assert "in build" in trace
    assert two_actors.incidents.retried_calls == 1
    assert two_actors.incidents.replaced_actors == 0
    # The pool continues: what the failed step left behind is no longer wanted.
    again = combine(two_actors.run(weights, blocks))
    straight = combine(sinusoids.pool.run(weights, blocks))
    assert again.gradient.tobytes() == straight.gradient.tobytes()


def test_an_error_of_ours_keeps_its_kind_and_its_words(sinusoids, two_actors):
    weights, blocks = first_blocks(sinusoids)
    with pytest.raises(NonFiniteError) as there:
        two_actors.run(weights._replace(theta=weights.theta * np.nan), blocks)
    with pytest.raises(NonFiniteError) as here:
        sinusoids.pool.run(weights._replace(theta=weights.theta * np.nan), blocks)
    assert str(there.value) == str(here.value)


def test_an_actor_that_would_compute_other_bits_is_refused_by_name(sinusoids, make_pool):
    pool = make_pool(sinusoids, 1)
    other = {
        "tensorflow": "1.0",
        "threads": [8, 8],
        "data": "another file",
        "instruction_sets": "mmx",
    }
    pool.expect({**sinusoids.fingerprint, **other})
    with pytest.raises(FingerprintError) as refused:
        pool.wait_until_ready()
    message = str(refused.value)
    assert "\n" not in message
    assert os.uname().nodename in message
    assert f"tensorflow: '1.0' here, {sinusoids.fingerprint['tensorflow']!r} there" in message
    assert "threads: [8, 8] here, [1, 1] there" in message
    assert "data: 'another file' here, '' there" in message
    assert (
        f"instruction_sets: 'mmx' here, {sinusoids.fingerprint['instruction_sets']!r} there"
        in message
    )
    assert "numpy" not in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"count": 4}, "workers.count = 4 with workers.cpus = 1 needs 4 CPUs, but Ray has 3"),
        ({"cpus": 2, "count": 2}, "workers.count = 2 with workers.cpus = 2 needs 4 CPUs"),
        ({"gpus": 1}, "workers.count = 1 with workers.gpus = 1 needs 1 GPU, but Ray has 0"),
        ({"gpus": 0.5}, "workers.gpus = 0.5 needs 0.5 GPUs"),
    ],
    ids=str,
)
def test_more_than_ray_has_is_refused_in_one_line(
    sinusoids, make_pool, monkeypatch, changes, expected
):
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 3.0})
    with pytest.raises(ValueError, match=r"^workers\.") as refused:
        make_pool(sinusoids, **{"count": 1, **changes})
    assert expected in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_pool_says_how_many_actors_it_has_and_closes_twice(sinusoids, make_pool):
    assert make_pool(sinusoids, 1).name == "1 Ray actor"
    pool = make_pool(sinusoids, 2)
    assert pool.name == "2 Ray actors"
    launched = Launch(sinusoids.config, sinusoids.family, pool, "a test")
    launched.close()
    launched.close()
    assert ray.is_initialized()
