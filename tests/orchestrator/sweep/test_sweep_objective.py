"""What a sweep looks for: a metric of its tasks, and the direction that was said once."""

from pathlib import Path

import pytest
import small_losses
from small_configs import sinusoid

from orchestrator.sweep.settings import SweepSettings
from orchestrator.sweep.tune import _objective
from workers.tasks.registry import make_family


def objective(*overrides, **settings):
    own = ["r2='max:small_losses:r2'", "mae='min:small_losses:absolute'", "bias='small_losses:r2'"]
    config = sinusoid(
        "task.kind=python",
        "task.source=small_losses:noisy",
        f"task.folder={Path(small_losses.__file__).parent}",
        f"task.metrics={{{', '.join(own)}}}",
        *overrides,
    )
    sweep = SweepSettings(base="a", space={"outer.lr": {"choice": [1, 2]}}, **settings)
    return _objective(sweep, make_family(config.task))


def test_a_users_metric_decides_as_it_says_itself():
    assert objective() == ("loss", "min")
    assert objective(metric="r2") == ("r2", "max")
    assert objective(metric="mae") == ("mae", "min")
    assert objective("task.main_metric=r2") == ("r2", "max")
    assert objective("task.main_metric=r2", metric="loss") == ("loss", "min")


def test_a_metric_that_does_not_say_it_needs_the_mode():
    assert objective(metric="bias", mode="max") == ("bias", "max")
    assert objective(metric="bias", mode="min") == ("bias", "min")
    with pytest.raises(ValueError, match="say whether more of it is better, by mode = 'max' or"):
        objective(metric="bias")


def test_the_other_direction_is_refused():
    with pytest.raises(ValueError, match="would look for the worst r2, of which more is better"):
        objective(metric="r2", mode="min")
    with pytest.raises(ValueError, match="there are loss, bias, mae, r2"):
        objective(metric="accuracy")
