"""`metatrain adapt` of a run that goes on with texts: how well it foresees others, what it says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.table import Table

from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.checks import diverged, steps_of
from orchestrator.adaptation.readers.reader import Examples, Reader
from orchestrator.adaptation.user_tasks import OwnTask, make_tasks
from orchestrator.cli.adapt.adapt_command import Generate, Request
from orchestrator.cli.adapt.adapt_outputs import Outputs, SaveModel
from orchestrator.cli.adapt.adapt_report import protocol, shown_steps
from orchestrator.cli.adapt.handing_over import launched_for, run_tasks
from orchestrator.cli.common import RESULTS, show_note
from orchestrator.reporting.protocol_lines import print_protocol
from workers.bits_per_character import bits_of_texts, mean_bits
from workers.wire.protocol import Adapted, Recipe

_MOST_ROWS = 20
# Bits that differ by less are told to be the same.
_SAME = 1e-3


@dataclass(frozen=True, slots=True)
class Said:
    """Of one task.

    bits: [inner_steps + 1, queries], None without a query set. before, after: texts that were made.
    """

    task: OwnTask
    bits: NDArray[Any] | None
    before: Sequence[str]
    after: Sequence[str]


def execute(
    request: Request, source: Artefact, recipe: Recipe, reader: Reader, outputs: Outputs
) -> None:
    """Adapt to the support set; score the queries, make texts, and write what was asked for.

    Raises:
      ValueError: the input is wrong; nothing is written then.
      NonFiniteError: the inner loop diverged.
    """
    if request.query is None and request.generate is None and request.save_model is None:
        raise ValueError("there is nothing to do; give --query FILE, --generate N or --save-model")
    query, tasks = _read(request, source, reader)
    outputs.check_models(tasks)
    with launched_for(source, request.verbose) as launched:
        weights = source.state.weights
        adapted = [
            Adapted(found["theta"], found["statistics"])
            for found in run_tasks(launched, weights, tasks, recipe, "adapt")
        ]
        for task, own in zip(tasks, adapted, strict=True):
            if not np.isfinite(own.theta).all():
                raise diverged(recipe, task.name)
        bits: Sequence[Any] = [None] * len(tasks)
        if query is not None:
            answers = run_tasks(launched, weights, tasks, recipe, "predict")
            bits = [_bits(each["outputs"], task) for each, task in zip(answers, tasks, strict=True)]
        before, after = _generated(request.generate, launched, weights, adapted)
        said = [Said(*each) for each in zip(tasks, bits, before, after, strict=True)]
        _show(source, recipe, said, query)
        outputs.write_table(lambda: _as_table(said, query))
        if outputs.saves_models:
            with outputs.models(len(tasks)) as save:
                _save(launched, said, adapted, save)


def _read(
    request: Request, source: Artefact, reader: Reader
) -> tuple[Examples | None, list[OwnTask]]:
    """The query set, and the tasks; without one, the support set stands for it."""
    assert request.support is not None
    support = reader.read(request.support, "support", request.columns)
    query = None
    if request.query is not None:
        query = reader.read(request.query, "query", request.columns)
    for note in [*support.notes, *(query.notes if query else [])]:
        show_note(note)
    return query, make_tasks(source.examples, support, query or support)


def _bits(outputs: NDArray[Any], task: OwnTask) -> NDArray[Any]:
    assert task.query_targets is not None
    return bits_of_texts(outputs, task.query_targets)


def _generated(
    asked: Generate | None, launched: Any, weights: Any, adapted: Sequence[Adapted]
) -> tuple[list[list[str]], list[list[str]]]:
    """Texts of each task, before it was adapted to and after."""
    if asked is None:
        return [[] for _ in adapted], [[] for _ in adapted]
    from workers.export.text_sampling import Manner, Sampler
    from workers.meta_parameters import make_test_model

    manner = Manner(asked.temperature, asked.top_k, asked.seed)
    model = make_test_model(launched.config.worker, launched.family)
    sampler = Sampler(model, launched.family.preparation)
    start = sampler.unadapted(weights.theta, weights.carry)
    before = sampler.generate(start, asked.number, manner, asked.prompt)
    after = [sampler.generate(own, asked.number, manner, asked.prompt) for own in adapted]
    return [before for _ in adapted], after


def _show(source: Artefact, recipe: Recipe, said: Sequence[Said], query: Examples | None) -> None:
    steps = shown_steps(source, recipe)
    if query is not None:
        _show_bits(said, query, steps)
    for one in said:
        of = f" of {one.task.name}" if one.task.name else ""
        if one.after:
            RESULTS.print(f"before{of}:", style="bold")
            RESULTS.print(*one.before, sep="\n")
            RESULTS.print(f"after {steps_of(recipe.inner_steps)}{of}:", style="bold")
            RESULTS.print(*one.after, sep="\n")
    tasks = [one.task for one in said]
    print_protocol(RESULTS, protocol(source, recipe, tasks, asked=query is not None))


def _show_bits(said: Sequence[Said], query: Examples, steps: Sequence[int]) -> None:
    """A row for each text of the query set, and the mean over all of their tokens."""
    table = Table(title="Bits per character after inner steps")
    if len(said) > 1:
        table.add_column("task")
    table.add_column("query", overflow="fold")
    for step in steps:
        table.add_column(f"after {step}" + ("" if step else " (before)"), justify="right")
    rows = {row: (one, i) for one in said for i, row in enumerate(one.task.rows)}
    for row in sorted(rows)[:_MOST_ROWS]:
        one, place = rows[row]
        assert one.bits is not None
        cells = [one.task.name] if len(said) > 1 else []
        numbers = [f"{one.bits[step, place]:.3f}" for step in steps]
        table.add_row(*cells, query.names[row], *numbers)
    RESULTS.print(table)
    if len(rows) > _MOST_ROWS:
        more = len(rows) - _MOST_ROWS
        RESULTS.print(f"... and {more} more; --out FILE.parquet takes them all")
    means = np.mean([_mean(one) for one in said], axis=0)
    shown = ", ".join(f"{means[step]:.4f} after {step}" for step in steps)
    RESULTS.print(f"bits per character: {shown} inner steps")


def _mean(one: Said) -> NDArray[Any]:
    """Over all tokens of its queries, after each inner step: [inner_steps + 1]."""
    assert one.bits is not None
    assert one.task.query_targets is not None
    return mean_bits(one.bits, one.task.query_targets)


def _as_table(said: Sequence[Said], query: Examples | None) -> Any:
    """A row for each query: its bits; or without queries a row for each text that was made."""
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for one in said:
        of = {"task": one.task.name} if len(said) > 1 else {}
        if query is None:
            rows += [{**of, "adapted": False, "text": text} for text in one.before]
            rows += [{**of, "adapted": True, "text": text} for text in one.after]
            continue
        assert one.bits is not None
        for place, row in enumerate(one.task.rows):
            by_step = one.bits[:, place]
            rows.append(
                {
                    **of,
                    "query": query.names[row],
                    "bits_per_character": float(by_step[-1]),
                    "by_inner_step": by_step.tolist(),
                }
            )
    return pa.Table.from_pylist(rows)


def _save(launched: Any, said: Sequence[Said], adapted: Sequence[Adapted], save: SaveModel) -> None:
    """Write each task's model, and say where plain Keras answers otherwise."""
    from workers.export.plain_keras import as_plain

    worker, family = launched.config.worker, launched.family
    for one, own in zip(said, adapted, strict=True):
        answers, content = as_plain(worker, family, own, one.task.query_inputs)
        file = save(one.task.name, content)
        if one.bits is not None:
            off = float(np.abs(_bits(answers, one.task) - one.bits[-1]).max())
            if off > _SAME:
                show_note(f"{file}: in plain Keras the bits differ by up to {off:.2g}")
        RESULTS.print(f"model: {file}")
