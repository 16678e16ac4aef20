"""Nodes that come, and one that takes a sum with it; actors that compute nothing."""

import threading
import time

import echo_actor
import faults
import numpy as np
import pytest
import ray
from echo_actor import SETTINGS, AddsWhenTold, EchoActor, blocks_of, weights_of
from ray.autoscaler.v2.sdk import get_cluster_status

from orchestrator.config.driver_settings import PoolSettings
from orchestrator.pool.ray_pool import RayPool
from workers.wire.combine import combine

pytestmark = [pytest.mark.ray, pytest.mark.slow]

NUM_NODES = 3


@pytest.fixture(scope="module")
def nodes():
    with faults.cluster(NUM_NODES) as nodes:
        yield nodes


@pytest.fixture
def echo_actors():
    ray.cloudpickle.register_pickle_by_value(echo_actor)  # which actors cannot import
    yield echo_actor
    ray.cloudpickle.unregister_pickle_by_value(echo_actor)


def test_an_actor_of_a_range_waits_where_an_autoscaler_sees_it_and_joins_with_its_node(
    nodes, echo_actors
):
    nodes.add_node(num_cpus=1, num_gpus=1)
    workers = PoolSettings(cpus=0.01, gpus=1)
    pool = RayPool(SETTINGS, 2, workers, least=1, actor_class=EchoActor)
    try:
        pool.wait_until_ready()
        assert pool.num_ready == 1
        demand = get_cluster_status(nodes.address).resource_demands.ray_task_actor_demand
        assert [each.bundle for one in demand for each in one.bundles_by_count] == [
            {"CPU": 0.01, "GPU": 1.0}
        ]
        nodes.add_node(num_cpus=1, num_gpus=1)
        step = 0
        while pool.num_ready < 2:
            step += 1
            pool.run(weights_of(10, step), blocks_of(step, 4))
    finally:
        pool.close()


def test_a_sum_that_goes_with_its_node_is_made_again(nodes, echo_actors, tmp_path):
    """Vectors of 4 MB, which stay in the object stores of the nodes."""

    class Adder(AddsWhenTold):
        gate = tmp_path

    def strike():
        """When all have run their blocks, have answered, and wait before they add."""
        until = time.monotonic() + 60
        while len(list(tmp_path.glob("adds.*"))) < NUM_NODES and time.monotonic() < until:
            time.sleep(0.05)
        faults.kill_node(target)
        (tmp_path / "open").touch()

    workers = PoolSettings(max_failures=1000, reduction="actors")
    pool = RayPool(SETTINGS, NUM_NODES, workers, actor_class=Adder)
    target = faults.Target(pool, nodes)
    (tmp_path / "open").touch()
    striker = threading.Thread(target=strike)
    try:
        for step in range(6):
            if step == 3:
                (tmp_path / "open").unlink()
                for file in tmp_path.glob("adds.*"):
                    file.unlink()
                striker.start()
            weights = weights_of(1_000_000, step + 1)
            total = combine(pool.run(weights, blocks_of(step, 16)))
            factors = np.float32(sum(range(1, 17)))
            np.testing.assert_array_equal(total.gradient, factors * weights.theta)
        assert target.struck
        assert pool.incidents.lost_sums >= 1
    finally:
        pool.close()
        striker.join()
