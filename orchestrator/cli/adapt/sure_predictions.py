"""What `metatrain adapt` says of how sure predictions are, and of tasks unlike the run's."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from orchestrator.adaptation import sureness
from orchestrator.adaptation.predictions import Predictions
from orchestrator.adaptation.readers.reader import Reader
from orchestrator.adaptation.run_facts import RunFacts
from orchestrator.adaptation.sureness import Sureness, likeness_of, shares_of
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.calibration.likeness import UNLIKE
from orchestrator.reporting.notes import show_note
from workers.wire.protocol import Array, Recipe

if TYPE_CHECKING:
    from orchestrator.adaptation.artefact import Artefact

#: Tells of a task and its outputs how sure they are.
Sure = Callable[[UserTask, Array], Sureness]


def sure_of(
    source: RunFacts, reader: Reader, recipe: Recipe, coverage: float | None
) -> Sure | None:
    """Return the function that tells how sure predictions are; None if they are not calibrated.

    A note says so if another recipe or other statistics are.

    Args:
      coverage: that was asked for; None: the run's, if it is calibrated at all.
    Raises:
      ValueError: a coverage is asked for that is out of range, or of predictions that are not
        calibrated.
    """
    asked = shares_of(source, coverage)
    try:
        return sureness.sure_of(source, reader, recipe, asked)
    except ValueError as error:
        if coverage is not None:
            raise ValueError(f"--coverage {coverage}: {error}") from None
        if source.calibration is not None:
            show_note(f"no sets, no intervals: {error}")
        return None


def with_likeness(
    launched: Any, source: "Artefact", recipe: Recipe, predictions: Sequence[Predictions]
) -> list[Predictions]:
    """Add how like the validation tasks each task is, and note which are unlike them."""
    from orchestrator.cli.adapt.handing_over import run_tasks

    if recipe != source.recipe or likeness_of(source, (0.0, 0.0)) is None:
        return list(predictions)
    tasks = [prediction.task for prediction in predictions]
    on_support = replace(recipe, on_support=True)
    results = run_tasks(launched, source.state.weights, tasks, on_support, "evaluate")
    told = []
    for prediction, result in zip(predictions, results, strict=True):
        before, *_, after = result["loss"].tolist()
        told.append(liked(source, prediction, (before, after)))
    return told


def liked(source: RunFacts, prediction: Predictions, losses: Sequence[float]) -> Predictions:
    """Add how like the validation tasks a task is, and note if it is unlike them.

    Args:
      losses: of its support set, before and after adaptation.
    """
    value = likeness_of(source, losses)
    if value is not None and value <= UNLIKE:
        show_note(unlike(source, prediction.task.name, losses, value))
    return replace(prediction, likeness=value)


def unlike(source: RunFacts, name: str, losses: Sequence[float], p_value: float) -> str:
    """Say that a task is unlike the validation tasks."""
    called = f"the task {name!r}" if name else "the task"
    number = len(source.support_losses)
    return (
        f"{called} is unlike the run's: the loss of its support set is {losses[0]:.4g} before and "
        f"{losses[1]:.4g} after adaptation, farther from the usual than of {number} validation "
        f"tasks (p = {p_value:.2g}); coverage and accuracy of the run do not apply to it"
    )
