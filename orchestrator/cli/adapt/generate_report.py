"""The output of `metatrain generate`: bits per character by inner step, and texts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.table import Table

from orchestrator.adaptation.artefact import Artefact
from orchestrator.adaptation.readers.reader import Examples
from orchestrator.adaptation.recipe_words import steps_of
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.cli.adapt.adapt_report import protocol, shown_steps
from orchestrator.reporting.protocol_lines import print_protocol
from orchestrator.text.console import Console
from workers.bits_per_character import mean_bits
from workers.wire.protocol import Recipe

_MOST_ROWS = 20


@dataclass(frozen=True, slots=True)
class TaskTexts:
    """The results of one task.

    bits: bits of each query, [inner_steps + 1, queries]; None without a query set.
    before, after: texts generated before and after adaptation.
    """

    task: UserTask
    bits: NDArray[Any] | None
    before: Sequence[str]
    after: Sequence[str]


def show(
    console: Console,
    source: Artefact,
    recipe: Recipe,
    results: Sequence[TaskTexts],
    query: Examples | None,
) -> None:
    """Print the scores of the queries, the texts and the protocol."""
    if query is not None:
        _show_bits(console, results, query, shown_steps(source, recipe))
    for result in results:
        of = f" of {result.task.name}" if result.task.name else ""
        if result.after:
            console.print(f"before{of}:", style="bold")
            console.print(*result.before, sep="\n")
            console.print(f"after {steps_of(recipe.inner_steps)}{of}:", style="bold")
            console.print(*result.after, sep="\n")
    tasks = [result.task for result in results]
    print_protocol(console, protocol(source, recipe, tasks, has_queries=query is not None))


def _show_bits(
    console: Console, results: Sequence[TaskTexts], query: Examples, steps: Sequence[int]
) -> None:
    """Print a row for each text of the query set, and the mean over all of their tokens."""
    table = Table(title="Bits per character after inner steps")
    if len(results) > 1:
        table.add_column("task")
    table.add_column("query", overflow="fold")
    for step in steps:
        table.add_column(f"after {step}" + ("" if step else " (before)"), justify="right")
    rows = {row: (result, i) for result in results for i, row in enumerate(result.task.rows)}
    for row in sorted(rows)[:_MOST_ROWS]:
        result, index = rows[row]
        assert result.bits is not None
        cells = [result.task.name] if len(results) > 1 else []
        numbers = [f"{result.bits[step, index]:.3f}" for step in steps]
        table.add_row(*cells, query.names[row], *numbers)
    console.print(table)
    if len(rows) > _MOST_ROWS:
        more = len(rows) - _MOST_ROWS
        console.print(f"... and {more} more; --out FILE writes them all")
    means = np.mean([_mean(result) for result in results], axis=0)
    shown = ", ".join(f"{means[step]:.4f} after {step}" for step in steps)
    console.print(f"bits per character: {shown} inner steps")


def _mean(result: TaskTexts) -> NDArray[Any]:
    """Return the mean bits over all tokens of the queries by inner step, [inner_steps + 1]."""
    assert result.bits is not None
    assert result.task.query_targets is not None
    return mean_bits(result.bits, result.task.query_targets)


def as_document(
    source: Artefact, recipe: Recipe, results: Sequence[TaskTexts], query: Examples | None
) -> dict[str, Any]:
    """Return the scores of the queries, the texts, and the protocol, for JSON."""
    tasks = [result.task for result in results]
    return {
        "queries": [] if query is None else as_table(results, query).to_pylist(),
        "texts": as_table(results, None).to_pylist(),
        "protocol": protocol(source, recipe, tasks, has_queries=query is not None),
    }


def as_table(results: Sequence[TaskTexts], query: Examples | None) -> Any:
    """Make a table of bits, a row for each query; without queries a row for each text."""
    rows: list[dict[str, Any]] = []
    for result in results:
        of = {"task": result.task.name} if len(results) > 1 else {}
        if query is None:
            rows += [{**of, "adapted": False, "text": text} for text in result.before]
            rows += [{**of, "adapted": True, "text": text} for text in result.after]
            continue
        assert result.bits is not None
        for index, row in enumerate(result.task.rows):
            by_step = result.bits[:, index]
            rows.append(
                {
                    **of,
                    "query": query.names[row],
                    "bits_per_character": float(by_step[-1]),
                    "by_inner_step": by_step.tolist(),
                }
            )
    return pa.Table.from_pylist(rows)
