import pytest
from pydantic import ValidationError

from workers.settings.signal_task import SignalTask


def refused(message, **settings):
    with pytest.raises(ValidationError, match=message):
        SignalTask(path="a.npz", **settings)


def test_settings_that_do_not_fit_the_target():
    refused(r"task\.target = 'forecast' needs task\.window", target="forecast")
    refused(r"task\.hop = 5 is for windows; set task\.window", hop=5)
    refused(
        r"task\.ways = 3 is not for task\.target = 'forecast'; unset it",
        target="forecast",
        window=8,
        ways=3,
    )
    refused(r"task\.train_tasks = 3 is not for task\.target = 'class'", train_tasks=3)
    refused(r"task\.horizon = 3 is not for task\.target = 'value'", target="value", horizon=3)
    refused(
        r"task\.same_domain = True is not for task\.target = 'value'",
        target="value",
        same_domain=True,
    )


def test_ranges():
    refused("greater than or equal to 2", window=1)
    refused("less than or equal to 0.95", early_share=1.0)
    refused("greater than or equal to 1", rate=0)
    refused("'class', 'forecast' or 'value'", target="regression")


def test_what_scales_unless_it_is_said():
    assert SignalTask(path="a").scaled_by == "example"
    assert SignalTask(path="a", target="value").scaled_by == "training"
    assert SignalTask(path="a", scaling="none").scaled_by == "none"
    chances = [SignalTask(path="a", target="value", scaling=by).chance for by in ("auto", "none")]
    assert chances == [1.0, None]


def test_a_vector_of_few_numbers_is_for_an_mlp():
    assert SignalTask.default_model({})["kind"] == "conv1d"
    assert SignalTask.default_model({"target": "forecast"})["kind"] == "mlp"
