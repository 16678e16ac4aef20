"""`metatrain adapt`: a trained run, somebody's few examples, and predictions for the rest."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from orchestrator import artefact
from orchestrator import config as configuration
from orchestrator.adapting import (
    change,
    check_model,
    check_model_file,
    check_weights,
    depends_on_company,
    diverged,
    with_model_in,
    with_statistics,
    worker_settings,
)
from orchestrator.artefact import Artefact
from orchestrator.commands.adapt_report import show
from orchestrator.commands.common import NOTES, RESULTS, check_machine, show_note, waiting
from orchestrator.config import MetaConfig
from orchestrator.examples.examples import Columns, Examples, Reader
from orchestrator.examples.registry import READERS
from orchestrator.own_tasks import OwnTask, blocks_of, make_tasks
from orchestrator.predictions import Predictions, as_table
from workers.protocol import Adapted, Array, Kind, Recipe
from workers.tasks.given import GivenFamily

# As many tasks as that are adapted to at once, by each actor.
_BLOCK_SIZE = 8
# Answers that differ by less are told to be the same.
_SAME = 1e-3


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line."""

    source: str
    support: str
    query: str
    columns: Columns
    inner_steps: int | None = None
    inner_lr: float | None = None
    statistics: str | None = None
    workers: str = "0"
    out: Path | None = None
    save_model: Path | None = None
    verbose: bool = False


def execute(request: Request) -> None:
    """Adapt, predict, show; write what was asked for.

    Raises:
      ValueError: the input is wrong; nothing is written then.
      NonFiniteError: the inner loop diverged.
    """
    began = time.monotonic()
    _check_out(request.out)
    if request.save_model is not None and request.save_model.exists():
        raise ValueError(f"--save-model {request.save_model} exists; give another name")
    source = with_statistics(artefact.load(request.source), request.statistics)
    config, _ = configuration.load(source.config, [f"workers.count={request.workers}"])
    check_machine(config)
    source = replace(source, config=config)
    recipe = change(source.recipe, request.inner_steps, request.inner_lr)
    reader = READERS[source.config.task.kind](source.config.task, source.examples)
    query, tasks = _read(request, source, reader)
    files = _model_files(request.save_model, tasks)
    with _launched(source, request.verbose) as launched:
        started_s = time.monotonic() - began
        predictions = _predict(launched, source.state.weights, tasks, recipe, reader)
        NOTES.print(
            f"first prediction after {time.monotonic() - began:.1f} s, {started_s:.1f} of them "
            f"until {launched.pool.name} was ready"
        )
        show(RESULTS, source, recipe, predictions, query.names)
        if request.out is not None:
            _write(request.out, as_table(predictions, query.names))
            RESULTS.print(f"written: {request.out}", markup=False)
        if files:
            _save_models(launched, source.state.weights, recipe, predictions, files, reader)


def _read(request: Request, source: Artefact, reader: Reader) -> tuple[Examples, list[OwnTask]]:
    support = reader.read(request.support, "support", request.columns)
    query = reader.read(request.query, "query", request.columns)
    tasks = make_tasks(source.examples, support, query)
    for note in [*support.notes, *query.notes]:
        show_note(note)
    tasks = [reader.assemble(task) for task in tasks]
    fewest = min(len(task.query_inputs) for task in tasks)
    if warning := depends_on_company(source, fewest):
        show_note(warning)
    unused = {source.examples.num_outputs - len(task.classes) for task in tasks if task.classes}
    if unused - {0}:
        show_note(
            f"the model tells {source.examples.num_outputs} classes apart, and was trained on as "
            "many; outputs without a class are left out"
        )
    return query, tasks


@contextmanager
def _launched(source: Artefact, verbose: bool) -> Iterator[Any]:
    """A pool that adapts to tasks that are handed over."""
    with tempfile.TemporaryDirectory() as folder:
        config = _handed_over(source, Path(folder))
        with waiting() as say:
            from orchestrator.launch import launch

            family = GivenFamily(source.examples)
            launched = launch(config, family, {}, say=say, notify=NOTES.print, verbose=verbose)
        try:
            check_model(source, launched.fingerprint.get("model", ""))
            start = launched.initial_state()
            check_weights(source, start.names, [array.shape for array in start.theta])
            yield launched
        finally:
            launched.close()


def _handed_over(source: Artefact, folder: Path) -> MetaConfig:
    """The run's configuration, with its tasks replaced by those that are handed over."""
    settings = worker_settings(source)
    if source.model is not None:
        settings = with_model_in(settings, folder, source.model)
    model = settings.model
    if model.kind == "keras":  # nothing is differentiated twice here
        model = model.model_copy(update={"second_derivative": "trusted"})
    return source.config.model_copy(update={"task": settings.task, "model": model})


def _predict(
    launched: Any, weights: Any, tasks: Sequence[OwnTask], recipe: Recipe, reader: Reader
) -> list[Predictions]:
    found = _run(launched, weights, tasks, recipe, "predict")
    predictions = []
    for task, answers in zip(tasks, found, strict=True):
        outputs = answers["outputs"]
        if not np.isfinite(outputs).all():
            raise diverged(recipe, task.name)
        predictions.append(Predictions.of(task, outputs, reader.values))
    return predictions


def _run(
    launched: Any, weights: Any, tasks: Sequence[OwnTask], recipe: Recipe, kind: Kind
) -> list[dict[str, Array]]:
    """What blocks of `kind` give for each task, in the order of the tasks."""
    blocks, order = blocks_of(launched.config, tasks, recipe, kind, _BLOCK_SIZE)
    found: dict[int, dict[str, Array]] = {}
    round_size = 8 * max(1, launched.pool.num_ready)
    bar = Progress(console=NOTES, transient=True, disable=not NOTES.is_terminal)
    with bar:
        shown = bar.add_task("adapting", total=len(tasks))
        for lo in range(0, len(blocks), round_size):
            part = blocks[lo : lo + round_size]
            for block, answer in zip(part, launched.pool.run(weights, part), strict=True):
                for i, place in enumerate(order[block.lo : block.hi]):
                    found[place] = {name: values[i] for name, values in answer.metrics.items()}
                bar.advance(shown, block.hi - block.lo)
    return [found[place] for place in range(len(tasks))]


def _save_models(
    launched: Any,
    weights: Any,
    recipe: Recipe,
    predictions: Sequence[Predictions],
    files: Sequence[Path],
    reader: Reader,
) -> None:
    """Write each task's model, and say where plain Keras answers otherwise than was shown."""
    from workers.models.plain import save_plain

    worker, family = launched.config.worker, launched.family
    tasks = [one.task for one in predictions]
    handed_over = _run(launched, weights, tasks, recipe, "adapt")
    for one, found, file in zip(predictions, handed_over, files, strict=True):
        file.parent.mkdir(exist_ok=True)
        adapted = Adapted(found["theta"], found["statistics"])
        answers = save_plain(worker, family, adapted, one.task.query_inputs, file)
        again = Predictions.of(one.task, answers[None], reader.values).answers[0]
        off = float(np.abs(again - one.answers[-1]).max())
        if off > _SAME:
            show_note(
                f"{file}: in plain Keras the answers differ by up to {off:.2g}: there the queries "
                "are normalized by fixed statistics, here each with the support set"
            )
        RESULTS.print(f"model: {file}", markup=False)


def _model_files(given: Path | None, tasks: Sequence[OwnTask]) -> list[Path]:
    """A file, or with several tasks one for each in a new folder."""
    if given is None:
        return []
    if len(tasks) == 1:
        return [check_model_file(given)]
    if not given.absolute().parent.is_dir():
        raise ValueError(f"{given.absolute().parent} is no folder; make it first")
    for task in tasks:
        if "/" in task.name or task.name.startswith("."):
            raise ValueError(f"--save-model: the task {task.name!r} cannot be the name of a file")
    return [given / f"{task.name}.keras" for task in tasks]


def _check_out(out: Path | None) -> None:
    if out is None:
        return
    if out.suffix != ".parquet":
        raise ValueError(f"--out {out}: predictions are written as .parquet")
    if out.exists():
        raise ValueError(f"--out {out} exists; give another file")
    if not out.absolute().parent.is_dir():
        raise ValueError(f"--out: {out.absolute().parent} is no folder; make it first")


def _write(out: Path, table: Any) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, out)
