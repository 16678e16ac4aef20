"""Sets, intervals and "unknown" for a user's queries, in the user's units."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from orchestrator.adaptation.run_facts import RunFacts, Shares
from orchestrator.calibration.calibration import StepCalibration
from orchestrator.calibration.likeness import likeness
from orchestrator.calibration.quantiles import check_coverage
from orchestrator.calibration.uncertainty import uncertainty_of
from workers.losses.loss import Loss
from workers.losses.registry import loss_of
from workers.wire.protocol import Array, Recipe

if TYPE_CHECKING:
    from orchestrator.adaptation.readers.reader import Reader
    from orchestrator.adaptation.user_tasks import UserTask


class Sureness(NamedTuple):
    """How sure the predictions for a task's queries are.

    asked: the shares.
    sets: whether each class is in a query's set, bool [queries, classes]; None for numbers.
    intervals: ends of each number's interval, float64 [queries, numbers, 2], infinite where too
      few validation tasks give an end; None for classes.
    unknown: bool [queries]; None if the loss does not say how sure it is.
    """

    asked: Shares
    sets: Array | None
    intervals: Array | None
    unknown: Array | None


def shares_of(
    source: RunFacts, coverage: float | None = None, false_alarms: float | None = None
) -> Shares:
    """Return the shares that are asked for; None: those of the run's configuration.

    Raises:
      ValueError: one is out of range.
    """
    own = source.shares
    asked = own.coverage if coverage is None else check_coverage(coverage)
    alarms = own.false_alarms if false_alarms is None else false_alarms
    if not 0.001 <= alarms <= 0.5:
        raise ValueError(f"false_alarms = {alarms!r}: give a share from 0.001 to 0.5")
    return Shares(asked, alarms)


def calibration_for(source: RunFacts, recipe: Recipe) -> StepCalibration:
    """Return the calibration of predictions with a recipe.

    Raises:
      ValueError: the artefact has none for it.
    """
    if why := why_uncalibrated(source):
        raise ValueError(why)
    assert source.calibration is not None
    return source.calibration.at(recipe)


def why_uncalibrated(source: RunFacts) -> str:
    """Say in a line why an artefact has no sets or intervals; "" if it has them."""
    loss = loss_of(source.examples)
    if not loss.is_covered:
        return f"{loss.title or loss.name} has no sets and no intervals: classes and numbers have"
    if source.changed_statistics:
        return (
            "sets are calibrated for queries that are normalized together, as in the run's "
            "evaluation; for these use --statistics batch"
            if source.changed_statistics == "batch"
            else "sets are calibrated for queries that are normalized with the support set, as in "
            "the run's evaluation; for these use --statistics support"
        )
    if source.calibration is None:
        return (
            f"{source.origin} has no calibration, as runs and files of older versions: train (and "
            "export) it again for sets, intervals and unknown"
        )
    return ""


def sureness_of(
    loss: Loss,
    reader: "Reader",
    task: "UserTask",
    calibration: StepCalibration,
    outputs: Array,
    asked: Shares,
) -> Sureness:
    """Return how sure the outputs [queries, outputs] of a model that is adapted to `task` are."""
    own = outputs if task.classes is None else outputs[..., : len(task.classes)]
    uncertain = uncertainty_of(loss, calibration, own, asked.coverage, asked.false_alarms)
    intervals = None
    if uncertain.half_widths is not None:
        predicted = np.asarray(loss.predicted(outputs), np.float64)
        ends = predicted - uncertain.half_widths, predicted + uncertain.half_widths
        intervals = np.sort(np.stack([reader.answers(task, end) for end in ends], -1), -1)
    return Sureness(asked, uncertain.sets, intervals, uncertain.unknown)


def sure_of(
    source: RunFacts, reader: "Reader", recipe: Recipe, asked: Shares
) -> Callable[["UserTask", Array], Sureness]:
    """Return the function that tells of a task and its outputs how sure they are.

    Raises:
      ValueError: predictions with the recipe are not calibrated.
    """
    loss, calibration = loss_of(source.examples), calibration_for(source, recipe)
    return lambda task, outputs: sureness_of(loss, reader, task, calibration, outputs, asked)


def sure_or_none(
    source: RunFacts, reader: "Reader", recipe: Recipe
) -> Callable[["UserTask", Array], Sureness] | None:
    """Return `sure_of` at the run's own coverage; None if predictions are not calibrated."""
    try:
        return sure_of(source, reader, recipe, shares_of(source))
    except ValueError:
        return None


def likeness_of(source: RunFacts, losses: Sequence[float]) -> float | None:
    """Return a task's p-value among the run's validation tasks; None if their losses are not kept.

    Args:
      losses: of its support set, before and after adaptation.
    """
    if not source.support_losses or source.changed_statistics:
        return None
    return likeness(losses, source.support_losses)
