"""An actor is killed while policies make their episodes, and while they are looked at again."""

import faults
import pytest
from small_configs import navigation
from small_ray import running_ray
from small_runs import in_process, sha256_after

from orchestrator.blocks import example_blocks
from orchestrator.ray_pool import RayPool
from orchestrator.settings import WorkersSettings

pytestmark = [pytest.mark.ray, pytest.mark.slow]

COMMON = ["outer.steps=2", "workers.block_size=1", "task.curvature=per_step"]
UPDATES = {
    "trpo": ["outer.optimizer=trpo", "outer.conjugate_steps=2", "outer.line_search=3"],
    "ppo": ["outer.epochs=3"],
}


class Striking:
    """A pool whose first actor is killed with its share of a round, in the second step."""

    name = "striking"

    def __init__(self, pool, round_name):
        self.pool, self._round = pool, round_name
        self.incidents, self.num_ready = pool.incidents, pool.num_ready
        self.latencies_s = pool.latencies_s
        self.struck = 0

    def run(self, weights, blocks):
        if not self.struck and blocks[0].step == 1 and blocks[0].round == self._round:
            self.struck = self.pool.pids()[0]
            faults.kill_actor(faults.Target(self.pool))
        return self.pool.run(weights, blocks)


@pytest.fixture(scope="module")
def pool():
    """Two actors: what one fault did to it must not matter to the next."""
    launch = in_process(navigation(*COMMON))
    with running_ray(num_cpus=3):
        examples = example_blocks(launch.config, launch.family)
        pool = RayPool(launch.config.worker, 2, WorkersSettings(max_failures=9), examples=examples)
        pool.expect(launch.fingerprint)
        yield pool
        pool.close()


@pytest.mark.parametrize(
    ("update", "round_name"),
    [
        ("trpo", "first"),
        ("trpo", "fisher"),
        ("trpo", "line"),
        ("ppo", "first"),
        ("ppo", "clipped"),
    ],
)
def test_an_actor_that_is_killed_in_any_round_changes_no_bit(pool, update, round_name):
    launch = in_process(navigation(*COMMON, *UPDATES[update]))
    pool.wait_until_ready()
    replaced, retried = pool.incidents.replaced_actors, pool.incidents.retried_calls
    striking = Striking(pool, round_name)
    assert sha256_after(launch, striking) == sha256_after(launch)
    assert striking.struck
    assert striking.struck not in pool.pids()
    assert pool.incidents.replaced_actors == replaced + 1
    assert pool.incidents.retried_calls > retried
