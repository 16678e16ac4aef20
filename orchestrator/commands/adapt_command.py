"""`metatrain adapt`: a trained run, somebody's few examples, and predictions for the rest."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator import artefact
from orchestrator import config as configuration
from orchestrator.adapting import (
    change,
    depends_on_company,
    diverged,
    probabilities,
    with_statistics,
)
from orchestrator.artefact import Artefact
from orchestrator.commands.adapt_outputs import Outputs, SaveModel, open_outputs
from orchestrator.commands.adapt_report import show
from orchestrator.commands.common import NOTES, RESULTS, check_machine, show_note
from orchestrator.commands.handing_over import launched_for, run_tasks
from orchestrator.examples.examples import Columns, Examples, Reader
from orchestrator.examples.registry import make_reader
from orchestrator.own_tasks import OwnTask, make_tasks
from orchestrator.predictions import Predictions, as_table
from workers.protocol import Adapted, Array, Recipe
from workers.scores import ACTING

# Answers that differ by less are told to be the same.
_SAME = 1e-3


@dataclass(frozen=True, slots=True)
class Generate:
    """Texts to be made: how many, how they begin, and how tokens are drawn (`workers.sampling`)."""

    number: int
    prompt: str = ""
    temperature: float = 1.0
    top_k: int | None = None
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for on the command line."""

    source: str
    support: str | None
    query: str | None
    columns: Columns
    generate: Generate | None = None
    env: str | None = None
    env_args: Sequence[str] = ()
    episodes: int | None = None
    judged_by: int | None = None
    seed: int = 0
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
    with open_outputs(request.out, request.save_model) as outputs:
        _adapt(request, outputs)


def _adapt(request: Request, outputs: Outputs) -> None:
    began = time.monotonic()
    source = with_statistics(artefact.load(request.source), request.statistics)
    if request.env is not None or source.examples.loss in ACTING:
        from orchestrator.commands import environment_command

        environment_command.execute(request, source, outputs)
        return
    _check_examples(request)
    config, _ = configuration.load(source.config, [f"workers.count={request.workers}"])
    check_machine(config)
    source = replace(source, config=config)
    recipe = change(source.recipe, request.inner_steps, request.inner_lr)
    reader = make_reader(source.config.task, source.examples)
    if source.examples.loss == "next_token":
        from orchestrator.commands import texts_command

        texts_command.execute(request, source, recipe, reader, outputs)
        return
    if request.generate is not None:
        raise ValueError(
            f"--generate {request.generate.number} is for runs of task.kind = 'generation', "
            f"{request.source} is of {source.config.task.kind!r}; give a --query to be predicted"
        )
    query, tasks = _read(request, source, reader)
    outputs.check_models(tasks)
    with launched_for(source, request.verbose) as launched:
        started_s = time.monotonic() - began
        predictions = _predict(launched, source.state.weights, tasks, recipe, reader)
        NOTES.print(
            f"ready in {started_s:.1f} s ({launched.pool.name}), predicted in "
            f"{time.monotonic() - began - started_s:.1f} s"
        )
        show(RESULTS, source, recipe, predictions, query.names)
        outputs.write_table(lambda: as_table(predictions, query.names))
        if outputs.saves_models:
            with outputs.models(len(tasks)) as save:
                _save_models(launched, source.state.weights, recipe, predictions, save, reader)


def _check_examples(request: Request) -> None:
    if request.support is None:
        raise ValueError("there is nothing to adapt to; give --support FILE")
    if request.env_args or request.episodes is not None or request.judged_by is not None:
        raise ValueError(
            "--env-arg, --episodes and --judged-by are of an environment; give --env ENV too"
        )


def _read(request: Request, source: Artefact, reader: Reader) -> tuple[Examples, list[OwnTask]]:
    if request.query is None:
        raise ValueError("there is nothing to predict; give --query FILE")
    assert request.support is not None
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


def _predict(
    launched: Any, weights: Any, tasks: Sequence[OwnTask], recipe: Recipe, reader: Reader
) -> list[Predictions]:
    found = run_tasks(launched, weights, tasks, recipe, "predict")
    predictions = []
    for task, answers in zip(tasks, found, strict=True):
        outputs = answers["outputs"]
        if not np.isfinite(outputs).all():
            raise diverged(recipe, task.name)
        predictions.append(Predictions.of(task, outputs, reader))
    return predictions


def _save_models(
    launched: Any,
    weights: Any,
    recipe: Recipe,
    predictions: Sequence[Predictions],
    save: SaveModel,
    reader: Reader,
) -> None:
    """Write each task's model, and say where plain Keras answers otherwise than was shown."""
    from workers.models.plain import as_plain

    worker, family = launched.config.worker, launched.family
    tasks = [one.task for one in predictions]
    handed_over = run_tasks(launched, weights, tasks, recipe, "adapt")
    for one, found in zip(predictions, handed_over, strict=True):
        adapted = Adapted(found["theta"], found["statistics"])
        together = worker.model.statistics == "batch"
        asked = one.task.query_inputs
        seen = asked if together else one.task.support_inputs
        units = reader.units(one.task)
        answers, content = as_plain(worker, family, adapted, seen, units, asked)
        file = save(one.task.name, content)
        again = _answered(one.task, answers, reader if units is None else None)
        off = float(np.abs(again - one.answers[-1]).max())
        if off > _SAME * max(1.0, float(np.abs(one.answers[-1]).max())):
            show_note(
                f"{file}: in plain Keras the answers differ by up to {off:.2g}: there the queries "
                "are normalized by fixed statistics, here each with the support set"
            )
        RESULTS.print(f"model: {file}")


def _answered(task: OwnTask, outputs: Array, reader: Reader | None) -> Array:
    """What a saved model says; None: in the user's own units already."""
    if task.classes is not None:
        return probabilities(outputs, len(task.classes))
    return outputs if reader is None else reader.answers(task, outputs)
