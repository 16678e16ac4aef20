"""`metatrain adapt` on a LiteRT file: by its interpreter, without TensorFlow."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from orchestrator.adaptation.litert.litert_model import LiteRTModel, LiteRTScorer
from orchestrator.adaptation.litert.litert_run import LiteRTRun, open_litert
from orchestrator.adaptation.predictions import Predictions, as_table
from orchestrator.adaptation.readers.reader import Reader
from orchestrator.adaptation.recipe_words import diverged
from orchestrator.adaptation.sureness import likeness_of
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.cli.adapt.adapt_outputs import Outputs
from orchestrator.cli.adapt.adapt_report import as_document, show
from orchestrator.cli.adapt.adapt_request import AdaptRequest, check_support, read_tasks
from orchestrator.cli.adapt.sure_predictions import Sure, liked, sure_of
from orchestrator.reporting.notes import NOTES, RESULTS, show_note


def adapt_litert(request: AdaptRequest, outputs: Outputs) -> dict[str, Any]:
    """Adapt a LiteRT file, show its predictions as those of a run, and write them.

    Returns:
      the document for JSON.
    Raises:
      ValueError: the input is wrong, or an option is for runs; nothing is written.
      NonFiniteError: the inner loop diverged.
    """
    began = time.monotonic()
    run = open_litert(request.source)
    _check_options(request, run)
    check_support(request)
    reader = run.reader()
    sure = _sure_of(run, reader, request.coverage)
    query, tasks = read_tasks(request, run, reader)
    for task in tasks:
        run.check_task(task)
    model = LiteRTModel(run)
    started_s = time.monotonic() - began
    scorer = model.scorer()
    predictions = [_predict(model, run, task, reader, scorer, sure) for task in tasks]
    NOTES.print(
        f"ready in {started_s:.1f} s (LiteRT), predicted in "
        f"{time.monotonic() - began - started_s:.1f} s"
    )
    if not run.about.scores and any(task.query_targets is not None for task in tasks):
        show_note(
            "no scores: LiteRT lacks an operation of the run's loss or metrics; adapt the run"
        )
    show(RESULTS, run, run.recipe, predictions, query.names)
    outputs.write_table(lambda: as_table(predictions, query.names))
    return as_document(run, run.recipe, predictions, query.names)


def _check_options(request: AdaptRequest, run: LiteRTRun) -> None:
    """Raise ValueError for what only a run can do, or its own file."""
    fixed = {
        "--inner-steps": (request.inner_steps, run.recipe.inner_steps),
        "--inner-lr": (request.inner_lr, run.recipe.inner_lr),
        "--statistics": (request.statistics, None),
        "--workers": (request.workers, "0"),
        "--save-model": (request.save_model, None),
    }
    for option, (value, own) in fixed.items():
        if value is not None and value != own:
            has = f" ({own:g})" if isinstance(own, int | float) else ""
            raise ValueError(
                f"{option} {value}: a LiteRT file adapts as it was exported{has}, in this process; "
                f"omit it, or adapt the run that {run.path} is from"
            )


def _sure_of(run: LiteRTRun, reader: Reader, coverage: float | None) -> Sure | None:
    """As `sure_of`; that the file's statistics are not those that are calibrated is told so."""
    if not run.changed_statistics or run.calibration is None:
        return sure_of(run, reader, run.recipe, coverage)
    why = (
        f"the run's are calibrated for {run.changed_statistics} statistics, a LiteRT file has "
        f"others; adapt the run with --statistics {run.changed_statistics}"
    )
    if coverage is not None:
        raise ValueError(f"--coverage {coverage}: {run.path} has no sets, no intervals: {why}")
    show_note(f"no sets, no intervals: {why}")
    return None


def _predict(
    model: LiteRTModel,
    run: LiteRTRun,
    task: UserTask,
    reader: Reader,
    scorer: LiteRTScorer,
    sure: Sure | None,
) -> Predictions:
    states = model.states(task)
    outputs = model.outputs(states, task.query_inputs)
    if not np.isfinite(outputs).all():
        raise diverged(run.recipe, task.name)
    predictions = Predictions.of(task, outputs, reader, scorer, sure)
    losses = _support_losses(model, run, task, scorer, states)
    return predictions if losses is None else liked(run, predictions, losses)


def _support_losses(
    model: LiteRTModel, run: LiteRTRun, task: UserTask, scorer: LiteRTScorer, states: Any
) -> Sequence[float] | None:
    """Return the losses of the support set before and after; None where they tell nothing."""
    if likeness_of(run, (0.0, 0.0)) is None:
        return None
    outputs = model.outputs(states[[0, -1]], task.support_inputs)
    losses = scorer.score(outputs, task.support_targets).get("loss")
    return None if losses is None else losses.tolist()
