"""`metatrain adapt`: adapts a trained run to a few of the user's examples, and predicts others."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer

from orchestrator.adaptation.readers.reader import Columns
from orchestrator.cli import options
from orchestrator.cli.adapt.adapt_request import AdaptRequest, check_support, read_tasks
from orchestrator.cli.adapt.former_options import FormerAdapt
from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.json_output import Json, print_json, tables_aside
from orchestrator.cli.local_path import local_path
from workers.losses.registry import loss_of
from workers.losses.scoring import Scorer

if TYPE_CHECKING:  # imports Arrow, which help must not wait for
    from orchestrator.adaptation.predictions import Predictions
    from orchestrator.adaptation.readers.reader import Reader
    from orchestrator.adaptation.user_tasks import UserTask
    from orchestrator.cli.adapt.adapt_outputs import Outputs, SaveModel
    from orchestrator.cli.adapt.sure_predictions import Sure
    from workers.wire.protocol import Recipe

# Predictions that differ by less count as the same.
_SAME = 1e-3


@command_settings(
    cls=FormerAdapt,
    epilog="Example: metatrain adapt runs/pets --support ten/ --query rest/ --out pets.parquet",
)
def adapt(
    source: options.Source,
    support: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Labelled examples to adapt to: a folder of class folders, a zip, or a table "
            "(CSV, Parquet, Arrow).",
        ),
    ] = None,
    query: Annotated[
        str | None, typer.Option(metavar="FILE", help="What to predict: the same, labelled or not.")
    ] = None,
    out: options.Out = None,
    save_model: Annotated[
        Path | None,
        typer.Option(
            parser=local_path,
            metavar="FILE",
            help="Write the adapted model as .keras or .onnx; of several tasks a folder.",
        ),
    ] = None,
    input_column: options.InputColumn = None,
    target_column: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Column of the class or value. Default: y, or the label's."
        ),
    ] = None,
    task_column: options.TaskColumn = None,
    inner_steps: options.InnerSteps = None,
    inner_lr: options.InnerLr = None,
    statistics: options.Statistics = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Share of true answers that sets of classes, or intervals of numbers, hold. "
            "Default: evaluation.coverage, if the run is calibrated.",
        ),
    ] = None,
    workers: options.WorkersOfRun = "0",
    verbose: options.Verbose = False,
    as_json: Json = False,
) -> None:
    """Adapt a trained run to a few examples of your own, and predict others."""
    columns = Columns(tuple(input_column) if input_column else None, target_column, task_column)
    adapt_run(
        AdaptRequest(
            source=source,
            support=support,
            query=query,
            columns=columns,
            inner_steps=inner_steps,
            inner_lr=inner_lr,
            statistics=statistics,
            coverage=coverage,
            workers=workers,
            out=out,
            save_model=save_model,
            verbose=verbose,
            as_json=as_json,
        )
    )


def adapt_run(request: AdaptRequest) -> None:
    """Adapt a run and show its predictions; write them and the models where requested.

    Raises:
      ValueError: the input is wrong; nothing is written.
      NonFiniteError: the inner loop diverged.
    """
    from orchestrator.adaptation.litert.file_description import is_litert
    from orchestrator.cli.adapt.adapt_outputs import open_outputs

    with tables_aside(request.as_json), open_outputs(request.out, request.save_model) as outputs:
        if is_litert(request.source):
            from orchestrator.cli.adapt.adapt_litert import adapt_litert

            document = adapt_litert(request, outputs)
        else:
            document = _adapt(request, outputs)
    if request.as_json:
        print_json(document)


def _adapt(request: AdaptRequest, outputs: Outputs) -> dict[str, Any]:
    from orchestrator.adaptation.checks import MODEL_FILES, change, with_statistics
    from orchestrator.adaptation.predictions import as_table
    from orchestrator.adaptation.readers.registry import make_reader
    from orchestrator.cli.adapt.adapt_report import as_document, show
    from orchestrator.cli.adapt.handing_over import launched_for
    from orchestrator.cli.adapt.sources import open_run, with_workers
    from orchestrator.cli.adapt.sure_predictions import sure_of, with_likeness
    from orchestrator.cli.common import NOTES, RESULTS

    began = time.monotonic()
    source = with_statistics(open_run(request.source, "adapt"), request.statistics)
    check_support(request)
    source = with_workers(source, request.workers)
    recipe = change(source, request.inner_steps, request.inner_lr)
    reader = make_reader(source.config.task, source.examples)
    sure = sure_of(source, reader, recipe, request.coverage)
    query, tasks = read_tasks(request, source, reader)
    outputs.check_models(tasks, MODEL_FILES)
    with launched_for(source, request.verbose) as launched:
        started_s = time.monotonic() - began
        scorer = Scorer(loss_of(source.examples))
        weights = source.state.weights
        predictions = _predict(launched, weights, tasks, recipe, reader, scorer, sure)
        predictions = with_likeness(launched, source, recipe, predictions)
        NOTES.print(
            f"ready in {started_s:.1f} s ({launched.pool.name}), predicted in "
            f"{time.monotonic() - began - started_s:.1f} s"
        )
        show(RESULTS, source, recipe, predictions, query.names)
        outputs.write_table(lambda: as_table(predictions, query.names))
        if outputs.saves_models:
            with outputs.models(len(tasks)) as save:
                _save_models(launched, weights, recipe, predictions, save, reader, outputs.suffix)
    return as_document(source, recipe, predictions, query.names)


def _predict(
    launched: Any,
    weights: Any,
    tasks: Sequence[UserTask],
    recipe: Recipe,
    reader: Reader,
    scorer: Scorer,
    sure: Sure | None,
) -> list[Predictions]:
    from orchestrator.adaptation.predictions import Predictions
    from orchestrator.adaptation.recipe_words import diverged
    from orchestrator.cli.adapt.handing_over import run_tasks

    results = run_tasks(launched, weights, tasks, recipe, "predict")
    predictions = []
    for task, result in zip(tasks, results, strict=True):
        outputs = result["outputs"]
        if not np.isfinite(outputs).all():
            raise diverged(recipe, task.name)
        predictions.append(Predictions.of(task, outputs, reader, scorer, sure))
    return predictions


def _save_models(
    launched: Any,
    weights: Any,
    recipe: Recipe,
    predictions: Sequence[Predictions],
    save: SaveModel,
    reader: Reader,
    suffix: str,
) -> None:
    """Write each task's model, and note where plain Keras predicts otherwise than was shown."""
    from orchestrator.adaptation.answers import answers_of
    from orchestrator.adaptation.user_tasks import ways_of
    from orchestrator.cli.adapt.handing_over import run_tasks
    from orchestrator.cli.common import RESULTS, show_note
    from workers.export.onnx_file import as_saved
    from workers.export.plain_keras import as_plain
    from workers.wire.protocol import Adapted

    worker, family = launched.config.worker, launched.family
    tasks = [prediction.task for prediction in predictions]
    results = run_tasks(launched, weights, tasks, recipe, "adapt")
    for prediction, result in zip(predictions, results, strict=True):
        adapted = Adapted(result["theta"], result["statistics"])
        task, shown = prediction.task, prediction.answers[-1]
        by_batch = worker.model.statistics == "batch"
        normalized_by = task.query_inputs if by_batch else task.support_inputs
        scaling = reader.scaling(task)
        ways = ways_of(launched.config, task)
        outputs, content = as_plain(
            worker, family, adapted, normalized_by, scaling, task.query_inputs, ways
        )
        file = save(task.name, as_saved(suffix, content, task.query_inputs, scaling))
        own = reader if scaling is None else None  # else outputs are in the user's units
        answers = answers_of(loss_of(family), own, task, outputs).values
        difference = float(np.abs(answers - shown).max())
        if difference > _SAME * max(1.0, float(np.abs(shown).max())):
            show_note(
                f"{file}: in plain Keras the predictions differ by up to {difference:.2g}: there "
                "the queries are normalized by fixed statistics, here each with the support set"
            )
        RESULTS.print(f"model: {file}")
