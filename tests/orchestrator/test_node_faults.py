"""Machines that die, hang, come and go: three nodes here, with Ray's default health checks."""

import subprocess
import sys
import threading
from pathlib import Path

import echo_actor
import faults
import numpy as np
import pytest
import ray
from echo_actor import SETTINGS, EchoActor, SlowToAdd, blocks_of, weights_of
from ray.autoscaler.v2.sdk import get_cluster_status
from small_configs import sinusoid
from small_runs import in_process, sha256_after

from orchestrator.blocks import example_blocks
from orchestrator.config import to_toml
from orchestrator.ray_crew import RayCrew
from orchestrator.ray_pool import RayPool
from orchestrator.settings import WorkersSettings
from workers.combine import combine

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
NUM_NODES = 3


@pytest.fixture(scope="module")
def launch():
    return in_process(sinusoid("outer.steps=40", "outer.meta_batch_size=12"))


@pytest.fixture(scope="module")
def expected(launch):
    return sha256_after(launch)


@pytest.fixture(scope="module")
def nodes():
    with faults.cluster(NUM_NODES) as nodes:
        yield nodes


@pytest.fixture(scope="module")
def pool(launch, nodes):
    pool = RayPool(
        launch.config.worker,
        NUM_NODES,
        WorkersSettings(max_failures=1000),
        elastic=True,
        examples=example_blocks(launch.config, launch.family),
    )
    pool.expect(launch.fingerprint)
    pool.wait_until_ready()
    yield pool
    pool.close()


@pytest.fixture
def echo_actors():
    ray.cloudpickle.register_pickle_by_value(echo_actor)  # which actors cannot import
    yield echo_actor
    ray.cloudpickle.unregister_pickle_by_value(echo_actor)


def until(launch, pool, condition):
    """Go on training, as a long run would, until the pool has got over the last fault."""
    while not condition():
        sha256_after(launch, pool)


@pytest.mark.parametrize("name", ["kill-raylet", "stop-raylet", "kill-node", "freeze-node"])
def test_theta_is_the_same_before_ray_has_noticed_that_a_node_is_gone(
    launch, pool, nodes, expected, name
):
    until(launch, pool, lambda: len(pool.pids()) >= NUM_NODES)
    target = faults.Target(pool, nodes)
    outcome = faults.run_job(launch, pool, faults.ON_NODES[name], 10, target)
    assert outcome.sha256 == expected
    assert target.struck
    assert outcome.noticed is False, "the step was done before Ray had declared the node dead"
    nodes.add_node(num_cpus=1)
    assert sha256_after(launch, pool) == expected


def test_a_node_that_joins_is_used(launch, pool, nodes, expected):
    until(launch, pool, lambda: len(pool.pids()) >= NUM_NODES)
    there = set(pool.pids())
    outcome = faults.run_job(launch, pool, faults.add_node, 10, faults.Target(pool, nodes))
    assert outcome.sha256 == expected
    until(launch, pool, lambda: set(pool.pids()) - there)
    assert sha256_after(launch, pool) == expected


def test_a_node_that_is_drained_gets_no_more_blocks(launch, pool, nodes, expected):
    until(launch, pool, lambda: len(pool.pids()) >= NUM_NODES)
    target = faults.Target(pool, nodes)
    outcome = faults.run_job(launch, pool, faults.drain_node, 10, target)
    assert outcome.sha256 == expected
    on_it = {place.pid for place in pool.places() if place.node == target.struck}
    until(launch, pool, lambda: not on_it & set(pool.pids()))
    assert sha256_after(launch, pool) == expected


def test_a_sum_that_goes_with_its_node_is_made_again(nodes, echo_actors):
    """Vectors of 4 MB, which stay in the object stores of the nodes."""
    # Beside the actors of another pool, which have the CPUs.
    workers = WorkersSettings(cpus=0.01, max_failures=1000, reduction="actors")
    pool = RayPool(SETTINGS, NUM_NODES, workers, actor_class=SlowToAdd)
    target = faults.Target(pool, nodes)
    try:
        for step in range(6):
            if step == 3:  # when all have run their blocks, and wait before they add
                threading.Timer(0.5, faults.kill_node, [target]).start()
            weights = weights_of(1_000_000, step + 1)
            total = combine(pool.run(weights, blocks_of(step, 16)))
            factors = np.float32(sum(range(1, 17)))
            np.testing.assert_array_equal(total.gradient, factors * weights.theta)
        assert target.struck
        assert pool.incidents.lost_sums >= 1
    finally:
        pool.close()
        nodes.add_node(num_cpus=1)


def test_an_actor_of_a_range_waits_where_an_autoscaler_sees_it_and_joins_with_its_node(
    nodes, echo_actors
):
    nodes.add_node(num_cpus=1, num_gpus=1)
    workers = WorkersSettings(cpus=0.01, gpus=1)
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


def test_a_node_to_avoid_gets_no_actor(launch, nodes):
    crew = RayCrew(launch.config.worker, cpus=0, gpus=0)
    head = nodes.head_node.node_id
    others = [node["NodeID"] for node in ray.nodes() if node["NodeID"] != head]
    handles = [crew.start(avoid) for avoid in (others, others, [head], [head])]
    places = [crew.answer(crew.place(handle)).node for handle in handles]
    assert places[:2] == [head, head]
    assert head not in places[2:]
    for handle in handles:
        crew.end(handle)


def test_theta_is_the_same_if_a_quarter_of_all_calls_and_of_all_answers_is_lost(tmp_path):
    """Ray's own chaos, which must be set before Ray starts; and the chaos command."""
    config = tmp_path / "small.toml"
    config.write_text(to_toml(sinusoid()))
    done = subprocess.run(
        [sys.executable, "benchmarks/chaos.py", "lose-calls", "--preset", str(config)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if "lose-calls" in line)
    assert "yes" in row
