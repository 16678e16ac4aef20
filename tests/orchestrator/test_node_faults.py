"""Machines that die, hang, come and go: three nodes here, with Ray's default health checks."""

import subprocess
import sys
from pathlib import Path

import faults
import pytest
import ray
from small_configs import sinusoid
from small_runs import in_process, sha256_after

from orchestrator.blocks import example_blocks
from orchestrator.config import to_toml
from orchestrator.ray_crew import RayCrew
from orchestrator.ray_pool import RayPool
from orchestrator.settings import WorkersSettings

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
