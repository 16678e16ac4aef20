"""Machines that die, hang, come and go: two nodes here, with Ray's default health checks.

The actors compute without TensorFlow, so that a new one starts in a second; those that lose
calls train.
"""

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import echo_actor
import faults
import pytest
import ray
from echo_actor import SETTINGS, EchoActor, Echoes
from small_configs import sinusoid
from small_runs import in_process, sha256_after

from orchestrator.config.driver_settings import PoolSettings
from orchestrator.config.schema import to_toml
from orchestrator.outer.blocks import train_blocks
from orchestrator.pool.base import InProcessPool
from orchestrator.pool.ray_backend import RayBackend
from orchestrator.pool.ray_pool import RayPool

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ROOT = Path(__file__).parents[3]
NUM_NODES = 2
AT = 3


@pytest.fixture(scope="module")
def launch():
    launched = in_process(sinusoid("outer.steps=12", "outer.meta_batch_size=12"))
    return replace(launched, pool=InProcessPool(Echoes()))


@pytest.fixture(scope="module")
def expected(launch):
    return sha256_after(launch)


@pytest.fixture(scope="module")
def nodes():
    ray.cloudpickle.register_pickle_by_value(echo_actor)  # which actors cannot import
    with faults.cluster(NUM_NODES) as nodes:
        yield nodes
    ray.cloudpickle.unregister_pickle_by_value(echo_actor)


@pytest.fixture(scope="module")
def pool(nodes):
    workers = PoolSettings(max_failures=1000)
    pool = RayPool(SETTINGS, NUM_NODES, workers, elastic=True, actor_class=EchoActor)
    pool.wait_until_ready()
    yield pool
    pool.close()


def until(launch, pool, condition):
    """Go on with a step now and then, as a long run would, until the pool has got over
    the last fault."""
    weights = launch.initial_state().weights
    blocks = train_blocks(launch.config, launch.family, 0)
    while not condition():
        pool.run(weights, blocks)
        time.sleep(0.1)


def can_strike(target):
    """Whether an actor is on a sound node that is not the driver's. Ray takes 20 s to declare
    a node dead: meanwhile the next one is struck."""
    sound = {
        n.node_id
        for n in target.nodes.worker_nodes
        if n.all_processes["raylet"][0].process.poll() is None
    }
    return bool(sound & {place.node for place in target.pool.places()})


def all_are_used(pool):
    """Whether each node that Ray knows to be alive, and no other, has an actor."""
    alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
    return {place.node for place in pool.places()} == alive


@pytest.mark.parametrize("name", ["kill-raylet", "stop-raylet", "kill-node", "freeze-node"])
def test_theta_is_the_same_before_ray_has_noticed_that_a_node_is_gone(
    launch, pool, nodes, expected, name
):
    target = faults.Target(pool, nodes)
    until(launch, pool, lambda: can_strike(target))
    outcome = faults.run_job(launch, pool, faults.ON_NODES[name], AT, target)
    assert outcome.sha256 == expected
    assert target.struck
    assert outcome.noticed is False, "the step was done before Ray had declared the node dead"
    nodes.add_node(num_cpus=1)
    assert sha256_after(launch, pool) == expected


def test_a_node_that_joins_is_used(launch, pool, nodes, expected):
    until(launch, pool, lambda: all_are_used(pool))
    there = set(pool.pids())
    outcome = faults.run_job(launch, pool, faults.add_node, AT, faults.Target(pool, nodes))
    assert outcome.sha256 == expected
    until(launch, pool, lambda: set(pool.pids()) - there)
    assert sha256_after(launch, pool) == expected


def test_a_node_that_is_drained_gets_no_more_blocks(launch, pool, nodes, expected):
    target = faults.Target(pool, nodes)
    until(launch, pool, lambda: can_strike(target))
    outcome = faults.run_job(launch, pool, faults.drain_node, AT, target)
    assert outcome.sha256 == expected
    on_it = {place.pid for place in pool.places() if place.node == target.struck}
    until(launch, pool, lambda: not on_it & set(pool.pids()))
    assert sha256_after(launch, pool) == expected


def test_a_node_to_avoid_gets_no_actor(nodes):
    backend = RayBackend(SETTINGS, cpus=0, gpus=0, actor_class=EchoActor)
    head = nodes.head_node.node_id
    others = [node["NodeID"] for node in ray.nodes() if node["NodeID"] != head]
    handles = [backend.start(avoid) for avoid in (others, others, [head], [head])]
    places = [backend.answer(backend.place(handle)).node for handle in handles]
    assert places[:2] == [head, head]
    assert head not in places[2:]
    for handle in handles:
        backend.end(handle)


def test_theta_is_the_same_if_a_quarter_of_all_calls_and_of_all_answers_is_lost(tmp_path):
    """Ray's own chaos, which must be set before Ray starts; and the chaos command."""
    config = tmp_path / "small.toml"
    config.write_text(to_toml(sinusoid()))
    steps = ["--steps", "2", "--at", "1"]  # ten calls at least, and the answers
    done = subprocess.run(
        [
            sys.executable,
            "benchmarks/cluster/chaos.py",
            "lose-calls",
            "--preset",
            str(config),
            *steps,
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    row = next(line for line in done.stdout.splitlines() if "lose-calls" in line)
    assert "yes" in row
