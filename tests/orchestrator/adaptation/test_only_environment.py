"""A policy adapts to an environment that exists once, such as a robot."""

import pytest
import small_configs
from small_learners import FIRST_ORDER, run_of

pytest.importorskip("gymnasium")

from small_gym import Slope

from orchestrator.learner import Learner

pytestmark = pytest.mark.usefixtures("shared_runners")

PAIRS = ["outer.meta_batch_size=4", "evaluation.validation_tasks=4", FIRST_ORDER]
CONFIG = small_configs.gym(*PAIRS, "task.normalize=3")


def test_random_episodes_in_an_only_environment_are_played_once():
    """A robot wears, and does not repeat itself: the policy acts as it was adapted."""

    class Robot(Slope):
        begun = 0

        def reset(self, **options):
            self.begun += 1
            return super().reset(**options)

        def _seen(self):
            return super()._seen() + 100.0 * self.begun

    robot = Robot()
    policy = Learner.load(run_of(CONFIG)).adapt_to(robot, episodes=4)
    steps = policy.recipe.inner_steps
    before = robot.begun - (4 * steps + 3 * (steps + 1))
    assert before == 3
    assert policy._policy.normalizer.mean[0, 0] == pytest.approx(200, abs=10)
