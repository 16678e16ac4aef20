"""The coverage that sets and intervals reach on test tasks, and the error of probabilities."""

from typing import Any

import numpy as np

from orchestrator.calibration.calibration import Calibration, QueryOutputs, StepCalibration
from orchestrator.calibration.nonconformity import Nonconformity, is_real, nonconformity_of
from orchestrator.calibration.quantiles import LEVELS, Floats, Numbers, threshold, weights_of
from orchestrator.calibration.temperature import bins_of, calibration_error, softmax
from orchestrator.calibration.uncertainty import uncertainty_of
from workers.losses.loss import Loss
from workers.wire.protocol import Recipe


def measure(
    loss: Loss,
    calibration: Calibration,
    recipe: Recipe,
    queries: QueryOutputs,
    coverage: float,
    false_alarms: float,
) -> dict[str, Any] | None:
    """Measure what a calibration promises on the queries of test tasks.

    Returns:
      None if there is no calibration for the recipe. {"coverage_asked", "coverage",
      "coverage_ci95", "false_alarms_asked", "unknown", "by_coverage": [[asked, reached], ..]}; for
      classes "set_size", "empty_sets", "temperature", "ece_before", "ece_after", and the bins of
      both: [[share, confidence, accuracy], ..]; for numbers "interval_width", None without bounds.
    """
    measured = nonconformity_of(loss)
    own = calibration.by_inner_steps.get(str(recipe.inner_steps))
    if measured is None or own is None or recipe.inner_lr != calibration.inner_lr:
        return None
    outputs, targets = queries.after(recipe.inner_steps), queries.targets
    scores = measured.scores(outputs, targets, own.temperature)
    real = is_real(targets)
    covered = _covered(scores, own, coverage)
    by_task = (weights_of(scores[..., 0]) * covered).sum(-1) * len(covered)
    sure = uncertainty_of(loss, own, outputs, coverage, false_alarms)
    unknown = None if sure.unknown is None else _mean(sure.unknown, real)
    sizes = {} if sure.sets is None else _of_sets(sure.sets, real)
    if sure.half_widths is not None:
        width = _mean(2 * sure.half_widths.mean(-1), real)
        sizes = {"interval_width": width if np.isfinite(width) else None}
    return {
        "inner_steps": recipe.inner_steps,
        "calibrated_on": calibration.tasks,
        "coverage_asked": coverage,
        "coverage": float(by_task.mean()),
        "coverage_ci95": float(1.96 * by_task.std(ddof=1) / np.sqrt(len(by_task))),
        **sizes,
        "false_alarms_asked": false_alarms,
        "unknown": unknown,
        **_probabilities(measured, own, outputs, targets),
        "by_coverage": [
            [level, _mean(_covered(scores, own, level), real)] for level in LEVELS if level < 0.995
        ],
    }


def _covered(scores: Floats, calibration: StepCalibration, coverage: float) -> Floats:
    """Return the share of each query's numbers that are covered, [tasks, queries]."""
    limits = np.array([threshold(table, coverage) for table in calibration.thresholds])
    return np.asarray((scores <= limits).mean(-1))


def _of_sets(sets: Numbers, real: Numbers) -> dict[str, float | None]:
    size = sets.sum(-1)
    return {"set_size": _mean(size, real), "empty_sets": _mean(size == 0, real)}


def _probabilities(
    measured: Nonconformity, calibration: StepCalibration, outputs: Numbers, targets: Numbers
) -> dict[str, Any]:
    """Return the error of probabilities of classes before and after the temperature."""
    if calibration.temperature is None:
        return {}
    right = outputs.argmax(-1) == targets
    table: dict[str, Any] = {"temperature": calibration.temperature}
    real = is_real(targets)
    weights = weights_of(np.where(real, 0.0, np.nan))
    for name, temperature in (("before", 1.0), ("after", calibration.temperature)):
        confidence = np.where(real, softmax(outputs, temperature).max(-1), np.nan)
        bins = bins_of(confidence.ravel(), right.ravel(), weights.ravel())
        table |= {f"ece_{name}": calibration_error(bins), f"bins_{name}": bins.tolist()}
    return table


def _mean(values: Numbers, real: Numbers) -> float:
    """Return the mean over tasks of the mean over a task's own queries, [tasks, queries]."""
    weights = weights_of(np.where(real, 0.0, np.nan))
    return float(np.sum(weights[real] * values[real]))
