"""An actor is killed while policies make their episodes, are looked at again, or are tested."""

import contextlib

import faults
import pytest
from small_configs import navigation
from small_runs import in_process, sha256_after

from orchestrator.config.driver_settings import PoolSettings
from orchestrator.evaluate import evaluate
from orchestrator.outer.blocks import example_blocks
from orchestrator.pool.base import InProcessPool
from orchestrator.pool.ray_pool import RayPool
from workers.policies.episode_cache import EpisodeCache
from workers.wire.protocol import Recipe

COMMON = [
    "outer.steps=2",
    "outer.meta_batch_size=4",
    "workers.block_size=1",
    "task.horizon=4",
    "task.curvature=per_step",
]
UPDATES = {
    "trpo": ["outer.optimizer=trpo", "outer.conjugate_steps=2", "outer.line_search=3"],
    "ppo": ["outer.epochs=3"],
}
ROUNDS = [
    ("trpo", "first"),
    ("trpo", "fisher_vector"),
    ("trpo", "line_search"),
    ("ppo", "first"),
    ("ppo", "ppo"),
]


class Forgetting(InProcessPool):
    """At one round of step 1, a new runner takes over: it has none of the step's episodes."""

    def __init__(self, runner, round_name):
        super().__init__(runner)
        self._round = round_name
        self.forgot = 0

    def run(self, weights, blocks):
        if (blocks[0].step, blocks[0].round) == (1, self._round):
            self.runner.episodes = EpisodeCache()
            self.forgot += 1
        return super().run(weights, blocks)


class Striking:
    """A pool whose first actor is killed with its share of the first work that is `meant`."""

    name = "striking"

    def __init__(self, pool, meant):
        self.pool, self._meant = pool, meant
        self.incidents, self.num_ready = pool.incidents, pool.num_ready
        self.latencies_s = pool.latencies_s
        self.struck = 0

    def run(self, weights, blocks):
        if not self.struck and self._meant(blocks[0]):
            self.struck = self.pool.pids()[0]
            faults.kill_actor(faults.Target(self.pool))
        return self.pool.run(weights, blocks)


@contextlib.contextmanager
def striking(pool, meant):
    """That pool; checks that one actor was killed, and made good."""
    pool.wait_until_ready()
    replaced, retried = pool.incidents.replaced_actors, pool.incidents.retried_calls
    struck = Striking(pool, meant)
    yield struck
    assert struck.struck
    assert struck.struck not in pool.pids()
    assert pool.incidents.replaced_actors == replaced + 1
    assert pool.incidents.retried_calls > retried


@pytest.fixture(scope="module")
def pool(shared_ray):
    """Two actors: what one fault did to it must not matter to the next."""
    launch = in_process(navigation(*COMMON))
    examples = example_blocks(launch.config, launch.family)
    pool = RayPool(launch.config.worker, 2, PoolSettings(max_failures=9), examples=examples)
    pool.expect(launch.fingerprint)
    yield pool
    pool.close()


@pytest.mark.quick("trpo-line_search", "ppo-ppo")
@pytest.mark.parametrize(("update", "round_name"), ROUNDS)
def test_who_takes_over_in_any_round_changes_no_bit(update, round_name):
    launch = in_process(navigation(*COMMON, *UPDATES[update]))
    forgetting = Forgetting(launch.pool.runner, round_name)
    assert sha256_after(launch, forgetting) == sha256_after(launch)
    assert forgetting.forgot


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize(("update", "round_name"), [("trpo", "line_search"), ("ppo", "ppo")])
def test_an_actor_that_is_killed_in_a_later_round_changes_no_bit(pool, update, round_name):
    launch = in_process(navigation(*COMMON, *UPDATES[update]))
    with striking(pool, lambda block: (block.step, block.round) == (1, round_name)) as struck:
        assert sha256_after(launch, struck) == sha256_after(launch)


@pytest.mark.ray
@pytest.mark.slow
def test_an_actor_that_is_killed_while_policies_are_tested_changes_no_score(pool):
    launch = in_process(navigation(*COMMON))
    weights, recipe = launch.initial_state().weights, Recipe(0.01, 2)

    def scores(of):
        return evaluate(launch.config, launch.family, of, weights, "test", recipe)

    with striking(pool, lambda block: block.kind == "evaluate") as struck:
        assert scores(struck) == scores(launch.pool)
