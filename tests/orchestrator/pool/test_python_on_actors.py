"""A user's own tasks on real actors: their number changes no bit, nor does it if one is killed."""

from pathlib import Path

import faults
import pytest
import small_python
from small_configs import sinusoid
from small_runs import in_process, sha256_after

from orchestrator.config.driver_settings import PoolSettings
from orchestrator.outer.blocks import example_blocks
from orchestrator.pool.ray_pool import RayPool

pytestmark = [pytest.mark.ray, pytest.mark.slow]
HERE = Path(small_python.__file__).parent
STEPS = 4


@pytest.fixture(scope="module")
def launch():
    """Groups of 3 tasks lie across blocks of 2."""
    kind = ["task.kind=python", "task.source=small_python:many_sines", f"task.folder={HERE}"]
    return in_process(sinusoid(*kind, "task.draw_together=3", f"outer.steps={STEPS}"))


@pytest.fixture(scope="module")
def expected(launch):
    return sha256_after(launch)


@pytest.fixture
def pool_of(launch, shared_ray):
    pools = []

    def make(count):
        examples = example_blocks(launch.config, launch.family)
        settings = PoolSettings(max_failures=9)
        pools.append(RayPool(launch.config.worker, count, settings, examples=examples))
        pools[-1].expect(launch.fingerprint)
        pools[-1].wait_until_ready()
        return pools[-1]

    yield make
    for pool in pools:
        pool.close()


@pytest.mark.parametrize("count", [1, 2, 3])
def test_any_number_of_actors_gives_the_same_theta(launch, expected, pool_of, count):
    assert sha256_after(launch, pool_of(count)) == expected


def test_theta_is_the_same_if_an_actor_is_killed(launch, expected, pool_of):
    pool = pool_of(2)
    (victim, *_) = pool.pids()
    kill = faults.ON_ACTORS["kill-actor"]
    outcome = faults.run_job(launch, pool, kill, STEPS // 2, faults.Target(pool))
    assert outcome.sha256 == expected
    assert victim not in pool.pids()
    assert pool.incidents.replaced_actors == 1
