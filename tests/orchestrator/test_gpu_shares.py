"""Actors that take GPUs, or shares of them. Ray's GPUs here are logical: there is no hardware."""

import functools
import os
import sys
from collections import Counter

import pytest
import ray
import tensorflow as tf
from small_configs import sinusoid
from small_ray import running_ray
from small_runs import in_process, sha256_after

from orchestrator import ray_pool
from orchestrator.launch import launch
from orchestrator.ray_pool import RayPool
from orchestrator.settings import WorkersSettings
from workers.actor import BlockActor
from workers.errors import FingerprintError, PoolError

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module", autouse=True)
def two_logical_gpus():
    here = sys.modules[__name__]  # which actors cannot import
    ray.cloudpickle.register_pickle_by_value(here)
    with running_ray(num_cpus=4, num_gpus=2):
        yield
    ray.cloudpickle.unregister_pickle_by_value(here)


class OnLogicalGpu(BlockActor):
    """Computes on the CPU, and says what it was given. Its GPU's name is its number, if `named`."""

    named = False

    def __init__(self, settings, gpus, name):
        super().__init__(settings, gpus=0, name=name)
        self._given = gpus, os.environ.get("CUDA_VISIBLE_DEVICES")

    def build(self, examples):
        built = super().build(examples)
        _, device = self._given
        built.fingerprint["gpus"] = [f"GPU number {device}" if self.named else "a GPU"]
        return built

    def given(self):
        return self._given


class OnNamedGpu(OnLogicalGpu):
    named = True


@pytest.fixture
def sinusoids():
    return in_process(sinusoid())


def given(pool):
    return [ray.get(actor.handle.given.remote()) for actor in pool._roster.actors]


@pytest.mark.parametrize(
    ("count", "gpus", "sharing"), [(2, 1, [1, 1]), (4, 0.5, [2, 2]), (1, 0.25, [1])]
)
def test_each_actor_has_its_share_and_the_bits_are_the_same(sinusoids, count, gpus, sharing):
    pool = RayPool(
        sinusoids.config.worker,
        count,
        WorkersSettings(gpus=gpus, max_failures=0),
        actor_class=OnLogicalGpu,
    )
    pool.wait_until_ready()
    answers = given(pool)
    assert sorted(Counter(device for _, device in answers).values()) == sharing
    assert {share for share, _ in answers} == {gpus}
    assert sha256_after(sinusoids, pool) == sha256_after(sinusoids)
    pool.close()


def test_a_driver_without_a_gpu_takes_the_fingerprint_of_its_actors(monkeypatch, sinusoids):
    on_logical_gpus = functools.partial(RayPool, actor_class=OnLogicalGpu)
    monkeypatch.setattr(ray_pool, "RayPool", on_logical_gpus)
    config = sinusoid("workers.count=2", "workers.gpus=0.5")
    launched = launch(config, sinusoids.family, {})
    assert tf.config.get_visible_devices("GPU") == []
    assert launched.fingerprint == {**sinusoids.fingerprint, "gpus": ["a GPU"]}
    launched.close()
    there = launched.fingerprint | {"gpus": ["another GPU"]}
    with pytest.raises(FingerprintError, match=r"gpus: \['a GPU'\] here, \['another GPU'\] there"):
        launch(config, sinusoids.family, there)


def test_actors_on_different_gpus_are_refused(sinusoids):
    pool = RayPool(sinusoids.config.worker, 2, WorkersSettings(gpus=1), actor_class=OnNamedGpu)
    with pytest.raises(FingerprintError, match=r"gpus: .*GPU number"):
        pool.wait_until_ready()
    pool.close()


@pytest.mark.parametrize(
    ("count", "gpus", "message"),
    [(3, 1, "needs 3 GPUs, but Ray has 2"), (4, 0.75, "needs 3 GPUs, but Ray has 2")],
)
def test_more_than_there_is_is_refused(sinusoids, count, gpus, message):
    with pytest.raises(ValueError, match=message):
        RayPool(sinusoids.config.worker, count, WorkersSettings(gpus=gpus))


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU")
def test_a_gpu_that_tensorflow_does_not_see_ends_the_run_at_once(sinusoids):
    pool = RayPool(sinusoids.config.worker, 1, WorkersSettings(gpus=0.5))
    message = "could not be made: .*workers.gpus = 0.5, but TensorFlow sees no GPU"
    with pytest.raises(PoolError, match=message):
        pool.wait_until_ready()
    assert pool.incidents.replaced_actors == 0
    pool.close()
