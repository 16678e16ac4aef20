"""Real faults on real processes: theta has the undisturbed bits, whatever is killed or stopped.

The actors compute without TensorFlow, so that a new one starts in a second.
"""

import os
import signal
from dataclasses import replace

import echo_actor
import faults
import pytest
import ray
from echo_actor import (
    SETTINGS,
    DiesInBuild,
    DiesOfBlock1,
    EchoActor,
    Echoes,
    blocks_of,
    weights_of,
)
from small_configs import sinusoid
from small_runs import in_process, sha256_after

from orchestrator.config.driver_settings import PoolSettings
from orchestrator.pool.base import InProcessPool
from orchestrator.pool.ray_pool import RayPool
from workers.wire.errors import PoolError

pytestmark = pytest.mark.ray

STEPS = 5
NUM_PARAMETERS = 50_000  # 200 kB: more than Ray sends with a call, so that they are objects


@pytest.fixture(scope="module", autouse=True)
def ray_here(shared_ray):
    ray.cloudpickle.register_pickle_by_value(echo_actor)  # which actors cannot import
    yield
    ray.cloudpickle.unregister_pickle_by_value(echo_actor)


@pytest.fixture(scope="module")
def launch():
    launched = in_process(sinusoid(f"outer.steps={STEPS}"))
    return replace(launched, pool=InProcessPool(Echoes()))


@pytest.fixture(scope="module")
def expected(launch):
    return sha256_after(launch)


@pytest.fixture(scope="module")
def pool():
    """Two actors for all faults: what one fault did to it must not matter to the next."""
    pool = echo_pool(EchoActor, max_failures=100, slow_after_s=1.0)
    pool.wait_until_ready()
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def adding():
    """As `pool`; its actors add."""
    pool = echo_pool(EchoActor, max_failures=100, reduction="actors")
    pool.wait_until_ready()
    yield pool
    pool.close()


def until_both_are_ready(pool, gone=frozenset()):
    """A pool itself continues with one, and may end before it misses one that is gone."""
    pool.wait_until_ready()
    while len(pool.pids()) < 2 or gone & set(pool.pids()):
        pool.run(weights_of(3, 0), blocks_of(0, 2))


def made_again(incidents):
    return incidents.retried_calls + incidents.copied_calls


@pytest.mark.parametrize(
    "at",
    [
        pytest.param(0, id="first", marks=pytest.mark.slow),
        pytest.param(STEPS // 2, id="middle"),
        pytest.param(STEPS - 1, id="last", marks=pytest.mark.slow),
    ],
)
@pytest.mark.parametrize("name", ["kill-actor", "kill-all-actors"])
def test_theta_is_the_same_if_actors_are_killed_in_the_first_a_middle_or_the_last_step(
    launch, pool, expected, name, at
):
    until_both_are_ready(pool)
    victims = set(pool.pids() if name == "kill-all-actors" else pool.pids()[:1])
    before = replace(pool.incidents)
    outcome = faults.run_job(launch, pool, faults.ON_ACTORS[name], at, faults.Target(pool))
    assert outcome.sha256 == expected
    until_both_are_ready(pool, victims)
    assert pool.incidents.replaced_actors == before.replaced_actors + len(victims)
    # A call that took more than a second was copied before it was missed.
    assert made_again(pool.incidents) > made_again(before)
    assert not victims & set(pool.pids())


@pytest.mark.parametrize("name", ["kill-actor", "kill-all-actors"])
def test_theta_is_the_same_if_actors_that_add_are_killed(launch, adding, expected, name):
    until_both_are_ready(adding)
    victims = set(adding.pids() if name == "kill-all-actors" else adding.pids()[:1])
    outcome = faults.run_job(launch, adding, faults.ON_ACTORS[name], 2, faults.Target(adding))
    assert outcome.sha256 == expected
    assert not victims & set(adding.pids())


@pytest.mark.slow
def test_the_step_of_a_stopped_actor_ends_by_a_second_copy_and_the_actor_is_replaced(
    launch, pool, expected
):
    until_both_are_ready(pool)
    victim, other = pool.pids()
    copied, replaced = pool.incidents.copied_calls, pool.incidents.replaced_actors
    os.kill(victim, signal.SIGSTOP)
    try:
        assert sha256_after(launch, pool) == expected
        assert pool.incidents.copied_calls > copied
        assert pool.incidents.replaced_actors == replaced
        while pool.incidents.replaced_actors == replaced:
            assert sha256_after(launch, pool) == expected
    finally:
        os.kill(victim, signal.SIGCONT)
    until_both_are_ready(pool)
    assert victim not in pool.pids()
    assert other in pool.pids()


def echo_pool(actor_class, **changes):
    return RayPool(SETTINGS, 2, PoolSettings(**changes), actor_class=actor_class)


def test_an_actor_that_dies_in_its_build_each_time_uses_up_the_budget_and_the_cause_is_told():
    pool = echo_pool(DiesInBuild, max_failures=1)
    with pytest.raises(PoolError) as refused:
        pool.wait_until_ready()
    pool.close()
    message = str(refused.value)
    assert message.startswith("2 actors were lost, workers.max_failures = 1; the last, an actor ")
    assert "its process ended without an error message" in message
    assert "\n" not in message


@pytest.mark.slow
def test_a_block_that_kills_its_actors_is_named():
    pool = echo_pool(DiesOfBlock1)
    with pytest.raises(PoolError, match=r"^tasks 0 to 1 of step 4 killed 3 actors, one"):
        pool.run(weights_of(3, 4), blocks_of(4, 4))
    pool.close()


@pytest.mark.slow
def test_memory_objects_and_references_stay_flat_over_1_000_steps():
    core = ray._private.worker.global_worker.core_worker
    pool = echo_pool(EchoActor)
    seen = []
    for step in range(1_000):
        (answer,) = pool.run(weights_of(NUM_PARAMETERS, step), blocks_of(step, 1))
        assert answer.gradient[-1] == step
        if step % 100 == 99:
            del answer
            free = ray.available_resources()["object_store_memory"]
            used = ray.cluster_resources()["object_store_memory"] - free
            seen.append((_resident_bytes(), used, len(core.get_all_reference_counts())))
    assert not any(vars(pool.incidents).values())
    pool.close()
    memory, used, references = zip(*seen, strict=True)
    # The memory that Ray keeps for calls levels off; a leak of the weights would be 200 MB.
    assert memory[-1] - memory[1] < 8e6, memory
    assert max(used) < 10e6, used
    assert max(references) < 50, references


def _resident_bytes():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
