"""Tasks unlike the validation tasks."""

import numpy as np
import pytest

from orchestrator.calibration.likeness import UNLIKE, likeness


def test_a_task_beyond_all_others_has_the_least_p_value():
    others = np.stack([np.linspace(1, 2, 199), np.linspace(0.1, 0.2, 199)], axis=-1)
    assert likeness([1.5, 0.15], others) > 0.9
    for far in ([9.0, 0.15], [1.5, 0.9], [0.1, 0.15]):
        assert likeness(far, others) == 1 / 200 <= UNLIKE


def test_losses_that_are_all_but_equal_do_not_decide():
    others = np.stack([1.6094379 + 1e-8 * np.arange(199), np.linspace(0.1, 0.2, 199)], axis=-1)
    assert likeness([1.6094389, 0.15], others) > 0.5


def test_exchangeable_tasks_are_flagged_as_often_as_stated():
    rng = np.random.default_rng(0)
    tasks = rng.lognormal(size=(3000, 100, 2))
    values = np.array([likeness(each[-1], each[:-1]) for each in tasks])
    for level in (0.01, 0.1, 0.5):
        error = 3 * np.sqrt(level * (1 - level) / 3000)
        assert (values <= level).mean() == pytest.approx(level, abs=error)
