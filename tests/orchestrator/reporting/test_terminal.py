import io

import numpy as np
import pytest

from orchestrator.loop import StepReport
from orchestrator.reporting.terminal import ProgressView, per_second
from orchestrator.run.training_run import Progress
from orchestrator.text.console import Console


def lines(*progress, num_steps=3):
    """Return the output of a view without a terminal."""
    text = io.StringIO()
    with ProgressView(Console(file=text, width=200), 0, num_steps) as view:
        for item in progress:
            view.update(item)
    return text.getvalue().splitlines()


def step(number, skipped=0, loss=1.0, seconds=0.5, **rest):
    losses = {"loss_before": 2.0, "loss_after": loss}
    return Progress(StepReport(number, losses, 4, skipped, seconds=seconds), **rest)


def test_the_last_step_is_shown_with_losses_and_speed():
    *_, last = lines(step(1), step(2), step(3))
    assert last.startswith("step 3/3  loss 2.000 → 1.000  8 tasks/s")


@pytest.mark.parametrize(
    ("num_steps", "told"),
    [
        (199, "2.000 → 199.000  "),
        (200, "2.000 → 199.500 (mean of 2 steps)  "),
        (9000, "2.000 → 8975.500 (mean of 50 steps)  "),
    ],
)
def test_losses_of_a_long_run_are_means_over_its_last_steps(num_steps, told):
    *_, last = lines(*(step(n + 1, loss=n + 1.0) for n in range(num_steps)), num_steps=num_steps)
    assert f"loss {told}" in last


def test_speed_does_not_count_the_first_step_which_compiles():
    seconds = [100.0, 0.4, 0.6]
    *_, last = lines(*(step(n + 1, seconds=item) for n, item in enumerate(seconds)))
    assert "  8 tasks/s" in last


def test_losses_may_be_infinite():
    *_, last = lines(*(step(n + 1, loss=(-1) ** n * np.inf) for n in range(200)), num_steps=200)
    assert "2.000 → nan (mean of 2 steps)" in last


def test_speeds_below_one_are_told_too():
    assert [per_second(count, 10) for count in (1234, 99, 46, 2, 0.13)] == [
        "123",
        "9.9",
        "4.6",
        "0.2",
        "0.013",
    ]


def test_tasks_that_are_left_out_are_told_whenever_they_have_doubled():
    progress = [step(1), *(step(number, 1) for number in range(2, 12))]
    messages = [line for line in lines(*progress, num_steps=12) if "left out" in line]
    assert messages == [
        "step 2: 1 tasks left out so far, whose gradient is not finite",
        "step 3: 2 tasks left out so far, whose gradient is not finite",
        "step 5: 4 tasks left out so far, whose gradient is not finite",
        "step 9: 8 tasks left out so far, whose gradient is not finite",
    ]


def test_a_validation_is_told_with_its_recipe():
    validation = {"metric": "accuracy", "score": 0.9, "inner_steps": 3, "inner_lr": 0.4}
    assert "step 1: validation accuracy 0.9000 (inner steps 3, inner lr 0.4)" in lines(
        step(1, validation=validation)
    )


def test_metrics_of_the_tasks_are_shown_and_no_others():
    text = io.StringIO()
    metrics = {"loss_before": 2.0, "loss_after": 1.0, "r2": 0.5, "kl": 3.0}
    with ProgressView(Console(file=text, width=200), 0, 1, ["loss", "r2", "late"]) as view:
        view.update(Progress(StepReport(1, metrics, 4, 0, seconds=0.5)))
    assert "loss 2.000 → 1.000  r2 0.500  8 tasks/s" in text.getvalue()
