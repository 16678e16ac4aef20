"""`metatrain generate`: adapts a language model to a few of the user's texts, and writes more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from orchestrator.adaptation.readers.reader import Columns
from orchestrator.cli import options
from orchestrator.cli.command_settings import command_settings
from orchestrator.cli.json_output import Json, print_json, tables_aside

if TYPE_CHECKING:  # imports Arrow, which help must not wait for
    from orchestrator.adaptation.artefact import Artefact
    from orchestrator.adaptation.readers.reader import Examples, Reader
    from orchestrator.adaptation.user_tasks import UserTask
    from orchestrator.cli.adapt.adapt_outputs import Outputs, SaveModel
    from orchestrator.cli.adapt.generate_report import TaskTexts
    from workers.wire.protocol import Adapted, Recipe

# Bits that differ by less count as the same.
_SAME = 1e-3


@dataclass(frozen=True, slots=True)
class GenerateRequest:
    """The arguments of `metatrain generate`.

    number: texts to generate; None: none.
    prompt: how each text begins.
    temperature, top_k, seed: how tokens are drawn (`text_sampling.py`).
    """

    source: str
    support: str | None
    query: str | None
    columns: Columns
    number: int | None = None
    prompt: str = ""
    temperature: float = 1.0
    top_k: int | None = None
    seed: int = 0
    inner_steps: int | None = None
    inner_lr: float | None = None
    statistics: str | None = None
    workers: str = "0"
    out: Path | None = None
    save_model: Path | None = None
    verbose: bool = False
    as_json: bool = False


@command_settings(
    epilog="Example: metatrain generate runs/names-generation --support ten.txt --number 20 "
    "--temperature 0.8"
)
def generate(
    source: options.Source,
    support: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Texts to adapt to: a line each in a .txt file, or a table (CSV, Parquet, Arrow).",
        ),
    ] = None,
    query: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Texts to score, in bits per character: the same."),
    ] = None,
    number: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, max=100_000, help="Texts to generate, before and after."),
    ] = None,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="How they begin.")] = "",
    temperature: Annotated[
        float,
        typer.Option(
            min=0.0,
            callback=options.finite,
            help="0: the likeliest token; 1: as the model says; above: wilder.",
        ),
    ] = 1.0,
    top_k: Annotated[
        int | None,
        typer.Option(metavar="K", min=1, max=10**9, help="Draw among the K likeliest tokens only."),
    ] = None,
    seed: options.Seed = 0,
    out: options.Out = None,
    save_model: options.SaveModel = None,
    input_column: options.InputColumn = None,
    task_column: options.TaskColumn = None,
    inner_steps: options.InnerSteps = None,
    inner_lr: options.InnerLr = None,
    statistics: options.Statistics = None,
    workers: options.WorkersOfRun = "0",
    verbose: options.Verbose = False,
    as_json: Json = False,
) -> None:
    """Adapt a language model to a few texts of your own; generate and score others."""
    generate_texts(
        GenerateRequest(
            source=source,
            support=support,
            query=query,
            columns=Columns(tuple(input_column) if input_column else None, task=task_column),
            number=number,
            prompt=prompt,
            temperature=temperature,
            top_k=top_k,
            seed=seed,
            inner_steps=inner_steps,
            inner_lr=inner_lr,
            statistics=statistics,
            workers=workers,
            out=out,
            save_model=save_model,
            verbose=verbose,
            as_json=as_json,
        )
    )


def generate_texts(request: GenerateRequest) -> None:
    """Adapt to the support set; score the queries, generate texts, write files where requested.

    Raises:
      ValueError: the input is wrong; nothing is written.
      NonFiniteError: the inner loop diverged.
    """
    from orchestrator.cli.adapt.adapt_outputs import open_outputs

    with tables_aside(request.as_json), open_outputs(request.out, request.save_model) as outputs:
        document = _generate(request, outputs)
    if request.as_json:
        print_json(document)


def _generate(request: GenerateRequest, outputs: Outputs) -> dict[str, Any]:
    from orchestrator.adaptation.checks import change, with_statistics
    from orchestrator.adaptation.readers.registry import make_reader
    from orchestrator.cli.adapt.generate_report import as_document, as_table, show
    from orchestrator.cli.adapt.handing_over import launched_for
    from orchestrator.cli.adapt.sources import open_run, with_workers
    from orchestrator.cli.common import RESULTS

    source = with_statistics(open_run(request.source, "generate"), request.statistics)
    _check(request)
    source = with_workers(source, request.workers)
    recipe = change(source, request.inner_steps, request.inner_lr)
    reader = make_reader(source.config.task, source.examples)
    query, tasks = _read(request, source, reader)
    outputs.check_models(tasks)
    with launched_for(source, request.verbose) as launched:
        adapted = _adapted(launched, source, tasks, recipe)
        results = _results(request, launched, source, recipe, tasks, adapted)
        show(RESULTS, source, recipe, results, query)
        outputs.write_table(lambda: as_table(results, query))
        if outputs.saves_models:
            with outputs.models(len(tasks)) as save:
                _save(launched, results, adapted, save)
    return as_document(source, recipe, results, query)


def _check(request: GenerateRequest) -> None:
    if request.support is None:
        raise ValueError("there is nothing to adapt to; give --support FILE")
    if request.number is not None:
        return
    if request.query is None and request.save_model is None:
        raise ValueError("there is nothing to do; give --query FILE, --number N or --save-model")
    is_set = {
        "--prompt": request.prompt != "",
        "--temperature": request.temperature != 1,
        "--top-k": request.top_k is not None,
        "--seed": request.seed != 0,
    }
    if any(is_set.values()):
        names = ", ".join(name for name in is_set if is_set[name])
        raise ValueError(f"{names}: there are no texts to generate; give --number N too")


def _read(
    request: GenerateRequest, source: Artefact, reader: Reader
) -> tuple[Examples | None, list[UserTask]]:
    """Read the query set and make the tasks; without queries, the support set takes their place."""
    from orchestrator.adaptation.user_tasks import make_tasks
    from orchestrator.cli.common import show_note

    assert request.support is not None
    support = reader.read(request.support, "support", request.columns)
    query = None
    if request.query is not None:
        query = reader.read(request.query, "query", request.columns)
    for note in [*support.notes, *(query.notes if query else [])]:
        show_note(note)
    return query, make_tasks(source.examples, support, query or support)


def _adapted(
    launched: Any, source: Artefact, tasks: Sequence[UserTask], recipe: Recipe
) -> list[Adapted]:
    """Adapt to each task and return its weights. Raises NonFiniteError."""
    from orchestrator.adaptation.recipe_words import diverged
    from orchestrator.cli.adapt.handing_over import run_tasks
    from workers.wire.protocol import Adapted

    adapted = [
        Adapted(result["theta"], result["statistics"])
        for result in run_tasks(launched, source.state.weights, tasks, recipe, "adapt")
    ]
    for task, learner in zip(tasks, adapted, strict=True):
        if not np.isfinite(learner.theta).all():
            raise diverged(recipe, task.name)
    return adapted


def _results(
    request: GenerateRequest,
    launched: Any,
    source: Artefact,
    recipe: Recipe,
    tasks: Sequence[UserTask],
    adapted: Sequence[Adapted],
) -> list[TaskTexts]:
    """Score the queries and generate the texts of each task."""
    from orchestrator.cli.adapt.generate_report import TaskTexts
    from orchestrator.cli.adapt.handing_over import run_tasks

    weights = source.state.weights
    bits: Sequence[Any] = [None] * len(tasks)
    if request.query is not None:
        answers = run_tasks(launched, weights, tasks, recipe, "predict")
        bits = [_bits(answer["outputs"], task) for answer, task in zip(answers, tasks, strict=True)]
    before, after = _texts(request, launched, weights, adapted)
    return [TaskTexts(*parts) for parts in zip(tasks, bits, before, after, strict=True)]


def _bits(outputs: NDArray[Any], task: UserTask) -> NDArray[Any]:
    from workers.bits_per_character import bits_of_texts

    assert task.query_targets is not None
    return bits_of_texts(outputs, task.query_targets)


def _texts(
    request: GenerateRequest, launched: Any, weights: Any, adapted: Sequence[Adapted]
) -> tuple[list[list[str]], list[list[str]]]:
    """Generate the texts of each task, before and after adaptation."""
    if request.number is None:
        return [[] for _ in adapted], [[] for _ in adapted]
    from workers.export.text_sampling import Sampler, SamplingOptions
    from workers.meta_parameters import make_test_model, unadapted

    number, prompt = request.number, request.prompt
    sampling = SamplingOptions(request.temperature, request.top_k, request.seed)
    worker, family = launched.config.worker, launched.family
    sampler = Sampler(make_test_model(worker, family), family.preparation)
    start = unadapted(worker, family, weights)
    before = sampler.generate(start, number, sampling, prompt)
    after = [sampler.generate(learner, number, sampling, prompt) for learner in adapted]
    return [before for _ in adapted], after


def _save(
    launched: Any, results: Sequence[TaskTexts], adapted: Sequence[Adapted], save: SaveModel
) -> None:
    """Write each task's model, and note where plain Keras scores the queries otherwise."""
    from orchestrator.cli.common import RESULTS, show_note
    from workers.export.plain_keras import as_plain

    worker, family = launched.config.worker, launched.family
    for result, learner in zip(results, adapted, strict=True):
        answers, content = as_plain(worker, family, learner, result.task.query_inputs)
        file = save(result.task.name, content)
        if result.bits is not None:
            difference = float(np.abs(_bits(answers, result.task) - result.bits[-1]).max())
            if difference > _SAME:
                show_note(f"{file}: in plain Keras the bits differ by up to {difference:.2g}")
        RESULTS.print(f"model: {file}")
