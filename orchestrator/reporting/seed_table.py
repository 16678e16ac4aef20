"""The scores of several seeds in the terminal: each run, then their mean and spread."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from orchestrator.records.result import Result
from orchestrator.records.seed_scores import folder_of
from orchestrator.reporting.page.numbers import score, with_interval
from orchestrator.text.console import Console


def print_seeds(
    console: Console, results: Mapping[int, Result], document: Mapping[str, Any]
) -> None:
    """Print a row for each seed, whose intervals are over tasks, and the mean over seeds.

    Args:
      document: what `seeds_document` made of the results.
    """
    metric = document["metric"]
    called = next(iter(results.values())).called
    table = Table(title=f"Test {called} of {len(results)} seeds, with intervals over test tasks")
    for name in ("seed", "before", "after"):
        table.add_column(name, justify="right")
    table.add_column(next(iter(results.values())).unit.heading, justify="right")
    table.add_column("run", overflow="fold")
    for seed, result in results.items():
        cells = [with_interval(metric, row) for row in (result.before, result.after)]
        table.add_row(
            str(seed), *cells, str(result.inner_steps + result.unit.first), folder_of(seed)
        )
    console.print(table)
    after = document["after"]
    console.print(
        f"mean over {len(results)} seeds: {with_interval(metric, after)}, 95 % interval over seeds "
        f"(Student's t); standard deviation over seeds {score(metric, after[f'{metric}_std'])}"
    )
