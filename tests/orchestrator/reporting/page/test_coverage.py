"""Figures and sentences of coverage, by the numbers that they are from."""

import numpy as np
import pytest

from orchestrator.records.result import Result
from orchestrator.reporting import coverage_lines
from orchestrator.reporting.page import coverage

SETS = {
    "calibrated_on": 200,
    "coverage_asked": 0.9,
    "coverage": 0.912,
    "coverage_ci95": 0.011,
    "set_size": 1.25,
    "empty_sets": 0.02,
    "false_alarms_asked": 0.05,
    "unknown": 0.048,
    "temperature": 1.5,
    "ece_before": 0.11,
    "ece_after": 0.012,
    "bins_before": [[0.0, 0.0, 0.0], [0.4, 0.7, 0.5], [0.6, 0.95, 0.9]],
    "bins_after": [[0.5, 0.45, 0.5], [0.0, 0.0, 0.0], [0.5, 0.91, 0.9]],
    "by_coverage": [[0.5, 0.48], [0.9, 0.912]],
}
INTERVALS = {
    **{key: SETS[key] for key in ("calibrated_on", "coverage_asked", "coverage", "coverage_ci95")},
    "interval_width": 5.614,
    "false_alarms_asked": 0.05,
    "unknown": None,
    "by_coverage": SETS["by_coverage"],
}


def result(calibration):
    scores = {"loss": 1.0, "loss_ci95": 0.1}
    return Result(
        protocol={"inner_steps": 1},
        per_step=[scores, scores],
        checkpoint="ckpt-00000001",
        theta_sha256="0",
        metric="loss",
        sign=-1,
        calibration=calibration,
    )


def test_sets_in_sentences():
    assert coverage_lines.lines(result(SETS)) == [
        "sets hold the true class of 91.2 ± 1.1 % of test queries (90 % asked), with 1.25 classes "
        "on average, 2.0 % are empty",
        "probabilities are off by 11.0 % on average (expected calibration error), by 1.2 % at the "
        "temperature 1.50; 4.8 % of queries are called unknown (5 % asked)",
    ]


def test_intervals_in_a_sentence():
    assert coverage_lines.lines(result(INTERVALS)) == [
        "intervals hold 91.2 ± 1.1 % of the true numbers of test queries (90 % asked), with a "
        "mean width of 5.61"
    ]
    endless = {**INTERVALS, "interval_width": None, "calibrated_on": 5}
    assert coverage_lines.lines(result(endless)) == [
        "intervals are without bounds: 5 validation tasks are too few for 90 % asked"
    ]


@pytest.mark.parametrize("calibration", [None, {}])
def test_without_a_calibration_there_is_nothing(calibration):
    assert coverage_lines.lines(result(calibration)) == []
    assert coverage.figures(result(calibration)) == []


def test_the_figures_show_coverage_and_reliability():
    (_, asked), (_, reliable) = coverage.figures(result(SETS))
    curve = asked.axes[0].lines[0]
    assert np.transpose(curve.get_data()).tolist() == SETS["by_coverage"]
    before, after = reliable.axes[0].lines[:2]
    assert np.transpose(before.get_data()).tolist() == [[0.7, 0.5], [0.95, 0.9]]
    assert np.transpose(after.get_data()).tolist() == [[0.45, 0.5], [0.91, 0.9]]
    assert "off by 11.0 %" in before.get_label()
    (caption, _), *others = coverage.figures(result(INTERVALS))
    assert "intervals" in caption
    assert others == []
