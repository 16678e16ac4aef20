"""The verdict on a run with useless scores: what comes first, and what to try."""

import io
import math

import pytest
from rich.console import Console
from small_results import run_with

from orchestrator.records.result import Result
from orchestrator.records.verdict import unstable_from
from orchestrator.reporting.page.findings import findings
from orchestrator.reporting.page.numbers import difference, headline, with_interval
from orchestrator.reporting.terminal import print_result

RATE = 0.3


def scored(losses, accuracies=(), chosen=1, interval=0.01, metric="", **protocol):
    """A result with these means by inner step."""
    rows = [{"loss": loss, "loss_ci95": interval, "loss_gain_ci95": interval} for loss in losses]
    for row, accuracy in zip(rows, accuracies, strict=bool(accuracies)):
        row |= dict.fromkeys(("accuracy_ci95", "accuracy_gain_ci95"), interval)
        row |= {"accuracy": accuracy}
    metric = metric or ("accuracy" if accuracies else "loss")
    return Result(
        protocol={"inner_steps": chosen, "outer_steps": 4, "inner_lr": RATE} | protocol,
        per_step=rows,
        checkpoint="",
        theta_sha256="",
        metric=metric,
        sign=1 if accuracies else -1,
    )


def returned(returns, interval):
    """A policy's result."""
    rows = [{"return": r, "return_ci95": interval, "return_gain_ci95": interval} for r in returns]
    fields = {"checkpoint": "", "theta_sha256": "", "metric": "return", "sign": 1}
    protocol = {"inner_steps": 1, "outer_steps": 4, "inner_lr": RATE}
    return Result(protocol=protocol, per_step=rows, **fields)


WRONG = [
    # result -> beginning of the first warning, and its advice
    (
        scored([1.6, 1.55, 1.5], [0.2, 0.22, 0.231], 2, chance=0.2),
        "The test accuracy, 23.1 %, is hardly above chance (20 %).",
        "more outer.steps",
    ),
    (
        scored([0.098, 0.181]),
        "Adaptation makes the test loss worse: 0.098 → 0.181 after 1 inner step.",
        "lower inner rate than 0.3: algorithm.inner_lr = 0.1 or 0.03.",
    ),
    (
        scored([0.098, 0.181], inner_lr=1000.0),
        "Adaptation makes the test loss worse",
        "lower inner rate than 1000: algorithm.inner_lr = 330 or 100.",
    ),
    (
        scored([0.098, 0.181], inner_lr_in_training=0.3),
        "Adaptation makes the test loss worse",
        "lower inner rate than 0.3: algorithm.inner_lr = 0.1 or 0.03.",
    ),
    (
        scored([0.098, 0.181], inner_lr_in_training=0.01, loss="mean squared error"),
        "Adaptation makes the test mean squared error worse: 0.098 → 0.181 after 1 inner step.",
        "lower inner rate than 0.3: evaluation.inner_lr = [0.1] or [0.03].",
    ),
    (
        scored([1.609, 1.604], [0.2, 0.2]),
        "Adaptation does not change the test accuracy beyond its interval.",
        "higher inner rate than 0.3: algorithm.inner_lr = 0.9 or 3;",
    ),
    (
        scored([1.609, 1.604], interval=0.001),
        "Adaptation hardly changes the test loss: 1.609 → 1.604.",
        "higher inner rate than 0.3",
    ),
    (
        scored([1.6, 1.6, 8.2], [0.2, 0.5, 0.2]),
        "The loss rises far above its start at inner step 2: 1.6, 1.6, 8.2 by inner step.",
        "lower inner rate than 0.3: algorithm.inner_lr = 0.1 or 0.03.",
    ),
    (
        scored([1.6, 1.0, math.inf], [0.2, 0.5, 0.2]),
        "Inner step 2 diverges: loss not finite at 2",
        "lower inner rate",
    ),
    (
        scored([1.6, 1.0, math.nan, 0.9]),
        "Inner step 2 diverges: loss not finite at 2",
        "lower inner rate",
    ),
    (
        scored([2.0, 3.0, 0.5], chosen=2),
        "The loss rises far above its start at inner step 1",
        "lower inner rate",
    ),
    (
        scored([2.0, 1.0, 1.8, 1.0, 1.8, 0.9], chosen=1),
        "The loss swings up and down from inner step 1 on",
        "lower inner rate",
    ),
    (
        returned([-50.0, -20.0, -900.0], interval=3.0),
        "The return falls far below its start at inner step 2: -50, -20, -900 by inner step.",
        "lower inner rate",
    ),
    (
        scored([2.0, math.nan]),
        "The test loss is not finite after 1 inner step.",
        "lower inner rate",
    ),
    (
        scored([1.2, 0.97], chance=1.0),
        "The test loss, 0.97, is no better than that of a constant answer (1).",
        "more outer.steps",
    ),
    (
        scored([2.0, 2.5], method="joint training + fine-tuning"),
        "Adaptation makes the test loss worse",
        "evaluation.inner_lr = [0.1] or [0.03]",
    ),
]


@pytest.mark.parametrize(("result", "begins", "advises"), WRONG, ids=lambda x: str(x)[:30])
def test_what_is_wrong_is_told_first_with_what_to_try(result, begins, advises):
    first = result.warnings[0]
    assert first.startswith(begins)
    assert advises in first
    page_findings = findings(run_with(result=result))
    assert (page_findings[0].kind, page_findings[0].text) == ("warning", first)
    assert not any("improves" in finding.text for finding in page_findings)


@pytest.mark.parametrize(
    "result",
    [
        scored([2.0, 1.0, 0.9, 0.95]),
        scored([1.6, 0.5, 0.3, 0.4, 0.7], [0.2, 0.8, 0.9, 0.9, 0.88], 2, chance=0.2),
        scored([1.6, 1.2], [0.2, 0.5], chance=0.2),
        scored([3.0, 2.2], [0.05, 0.12], chance=0.05),  # of twenty
        scored([0.7, 0.6], [0.5, 0.64], chance=0.5),
        scored([0.9, 0.5], chance=1.0),
        returned([0.0, 5.0, -0.4], interval=0.3),
    ],
)
def test_of_scores_that_are_well_there_is_no_warning(result):
    assert result.warnings == []
    assert unstable_from(result) is None


def test_a_rate_that_is_too_high_is_not_said_to_need_more_steps():
    rows = [{"step": 1, "validation_accuracy": 0.3}, {"step": 4, "validation_accuracy": 0.4}]
    diverges = scored([1.6, 1.6, 8.2], [0.2, 0.5, 0.2])
    texts = " ".join(f.text for f in findings(run_with(result=diverges, rows=rows)))
    assert "still improving at its last step" in texts
    assert "may help" not in texts


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (0.1, "chose the lowest inner rate that it was offered, 0.1: offer lower ones"),
        (1.0, "chose the highest inner rate that it was offered, 1: offer higher ones"),
        (0.3, ""),
    ],
)
def test_a_choice_at_the_end_of_what_was_offered_asks_for_more(rate, expected):
    result = scored([2.0, 1.0], inner_lr=rate, inner_lr_offered="0.1, 0.3, 1")
    notes = [f.text for f in findings(run_with(result=result)) if "offered" in f.text]
    assert len(notes) == bool(expected)
    assert all(expected in note for note in notes)


def test_the_warnings_are_in_the_file_of_scores():
    result = scored([0.098, 0.181])
    again = Result.model_validate_json(result.model_dump_json())
    assert result.model_dump()["warnings"] == result.warnings == again.warnings != []


@pytest.mark.parametrize(
    ("mean", "interval", "expected"),
    [
        (1.0, 0.0, "100 % (all right)"),
        (0.0, 0.0, "0 % (none right)"),
        (0.75, 0.0, "75 %"),
        (0.9871, 0.0031, "98.71 ± 0.31 %"),
    ],
)
def test_a_score_without_an_interval_has_no_digits_of_one(mean, interval, expected):
    row = {"accuracy": mean, "accuracy_ci95": interval}
    assert with_interval("accuracy", row) == expected


def test_the_headline_of_a_perfect_run_is_read_at_a_glance():
    result = scored([1.6, 0.0], [0.2, 1.0], interval=0.0)
    assert headline(result) == "accuracy 20 % → 100 % (all right)"
    assert difference("accuracy", 0.8, 0.0) == "+80 points"
    assert difference("loss", -1.0, 0.0) == "-1"


def test_the_terminal_shows_the_warning_before_the_scores():
    console = Console(file=io.StringIO(), width=200)
    print_result(console, scored([0.098, 0.181]), (1,))
    lines = console.file.getvalue().splitlines()
    assert lines[0].startswith("warning: Adaptation makes the test loss worse: 0.098 → 0.181")
    console = Console(file=io.StringIO(), width=200)
    print_result(console, scored([2.0, 1.0]), (1,))
    assert "warning" not in console.file.getvalue()


def test_rates_that_validation_had_to_choose_from_are_not_advised_again():
    result = scored([1.6, 1.6, 1.6], [0.2, 0.2, 0.2])
    result.protocol["inner_lr_offered"] = "0.1, 0.3, 1"
    warning = result.warnings[0]
    assert "Validation chose the inner rate 0.3 among 0.1, 0.3, 1. Try more outer.steps" in warning
    assert "higher inner rate" not in warning
