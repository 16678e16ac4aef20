"""Actors that take GPUs, or shares of them. Ray's GPUs here are logical: there is no hardware.

Most actors compute without TensorFlow: the tests check what Ray grants them.
"""

import functools
import os
import sys
from collections import Counter

import echo_actor
import pytest
import ray
import tensorflow as tf
from echo_actor import EchoActor, Echoes
from small_configs import sinusoid
from small_runs import in_process, sha256_after

from orchestrator.config.driver_settings import PoolSettings
from orchestrator.pool import ray_pool
from orchestrator.pool.base import InProcessPool
from orchestrator.pool.ray_pool import RayPool
from orchestrator.run.launch import launch
from workers.actor import BlockActor
from workers.wire.errors import FingerprintError, PoolError
from workers.wire.protocol import Built

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module", autouse=True)
def two_logical_gpus(shared_ray):
    modules = sys.modules[__name__], echo_actor  # which actors cannot import
    for module in modules:
        ray.cloudpickle.register_pickle_by_value(module)
    yield
    for module in modules:
        ray.cloudpickle.unregister_pickle_by_value(module)


class SaysWhatItWasGiven(BlockActor):
    """An actor that uses no GPU, whatever it was granted."""

    def __init__(self, settings, gpus, name):
        super().__init__(settings, gpus=0, name=name)
        self._given = gpus, os.environ.get("CUDA_VISIBLE_DEVICES")

    def granted(self):
        return self._given


class OnLogicalGpu(SaysWhatItWasGiven):
    """Computes on the CPU, and says that it did so on a GPU."""

    def build(self, examples):
        built = super().build(examples)
        built.fingerprint["gpus"] = ["a GPU"]
        return built


class EchoesOnLogicalGpu(SaysWhatItWasGiven, EchoActor):
    """Its GPU's name is its number."""

    def build(self, examples):
        return Built({"gpus": [f"GPU number {self._given[1]}"]}, [])


@pytest.fixture
def sinusoids():
    return in_process(sinusoid("outer.steps=4"))


def granted(pool):
    return [ray.get(actor.handle.granted.remote()) for actor in pool._actors.actors]


@pytest.mark.parametrize(
    ("count", "gpus", "sharing"), [(2, 1, [1, 1]), (4, 0.5, [2, 2]), (1, 0.25, [1])]
)
def test_each_actor_has_its_share_and_the_bits_are_the_same(sinusoids, count, gpus, sharing):
    class Alike(EchoesOnLogicalGpu):
        def build(self, examples):
            return Built({"gpus": ["a GPU"]}, [])

    workers = PoolSettings(gpus=gpus, max_failures=0)
    pool = RayPool(sinusoids.config.worker, count, workers, actor_class=Alike)
    pool.wait_until_ready()
    answers = granted(pool)
    assert sorted(Counter(device for _, device in answers).values()) == sharing
    assert {share for share, _ in answers} == {gpus}
    assert sha256_after(sinusoids, pool) == sha256_after(sinusoids, InProcessPool(Echoes()))
    pool.close()


@pytest.mark.slow
def test_theta_is_the_same_on_shares_of_gpus(sinusoids):
    workers = PoolSettings(gpus=0.5, max_failures=0)
    pool = RayPool(sinusoids.config.worker, 2, workers, actor_class=OnLogicalGpu)
    assert sha256_after(sinusoids, pool) == sha256_after(sinusoids)
    pool.close()


def test_a_driver_without_a_gpu_takes_the_fingerprint_of_its_actors(monkeypatch, sinusoids):
    class LikeTheDriver(EchoesOnLogicalGpu):
        of_driver = sinusoids.fingerprint

        def build(self, examples):
            return Built({**self.of_driver, "gpus": ["a GPU"]}, [0.001 for _ in examples])

    on_logical_gpus = functools.partial(RayPool, actor_class=LikeTheDriver)
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
    workers = PoolSettings(gpus=1)
    pool = RayPool(sinusoids.config.worker, 2, workers, actor_class=EchoesOnLogicalGpu)
    with pytest.raises(FingerprintError, match=r"gpus: .*GPU number"):
        pool.wait_until_ready()
    pool.close()


@pytest.mark.parametrize(
    ("count", "gpus", "message"),
    [(3, 1, "needs 3 GPUs, but Ray has 2"), (4, 0.75, "needs 3 GPUs, but Ray has 2")],
)
def test_more_than_there_is_is_refused(sinusoids, count, gpus, message):
    with pytest.raises(ValueError, match=message):
        RayPool(sinusoids.config.worker, count, PoolSettings(gpus=gpus))


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there is a GPU")
def test_a_gpu_that_tensorflow_does_not_see_ends_the_run_at_once(sinusoids):
    pool = RayPool(sinusoids.config.worker, 1, PoolSettings(gpus=0.5))
    message = "could not be built: .*workers.gpus = 0.5, but TensorFlow sees no GPU"
    with pytest.raises(PoolError, match=message):
        pool.wait_until_ready()
    assert pool.incidents.replaced_actors == 0
    pool.close()
