"""Arguments of the Python API that have a new name, and are still accepted under the old one."""

import numpy as np
import pytest
import small_configs
from small_learners import FIRST_ORDER, run_of

from orchestrator.learner import Learner

pytestmark = pytest.mark.usefixtures("shared_runners")

GOAL = {"goal": (0.3, -0.2)}
# All blocks are of two tasks: each kind of them is traced once.
PAIRS = ["outer.meta_batch_size=4", "evaluation.validation_tasks=4", FIRST_ORDER]


def test_the_former_name_of_evaluation_episodes_is_accepted_with_a_warning():
    learner = Learner.load(run_of(small_configs.navigation(*PAIRS)))
    with pytest.warns(DeprecationWarning, match="judged_by is now called evaluation_episodes"):
        old = learner.adapt_to("navigation", GOAL, judged_by=2)
    new = learner.adapt_to("navigation", GOAL, evaluation_episodes=2)
    np.testing.assert_array_equal(old.returns, new.returns)
    with pytest.raises(ValueError, match="judged_by is the former name of evaluation_episodes"):
        learner.adapt_to("navigation", GOAL, judged_by=2, evaluation_episodes=2)
