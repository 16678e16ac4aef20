"""The table of test scores by ways and shots."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.table import Table

from orchestrator.records.divergence import mean_and_interval
from orchestrator.records.result import Result
from workers.metrics import is_share

Rows = Sequence[Mapping[str, Any]]


class SizeTable(NamedTuple):
    """Scores by ways and shots.

    title: what they are, and of how many tasks.
    ways: of the rows; [""] if all are of one number of classes.
    shots: of the columns.
    cells: a text for each.
    """

    title: str
    ways: list[str]
    shots: list[str]
    cells: list[list[str]]


def table_of(result: Result) -> SizeTable | None:
    """Arrange the scores by size of the metric that decides; None if there are none."""
    rows = result.by_size
    if not rows:
        return None
    ways, shots = (list(dict.fromkeys(row.get(name, "") for row in rows)) for name in _AXES)
    found = {(row.get("ways", ""), row["shots"]): row for row in rows}
    unit = " in %" if is_share(result.metric) else ""
    by = "ways and shots" if ways != [""] else "shots"
    title = f"Test {result.called}{unit} by {by} ({rows[0]['tasks']} tasks each)"
    cells = [[_cell(result.metric, found.get((way, shot))) for shot in shots] for way in ways]
    return SizeTable(title, [str(way) for way in ways], [str(shot) for shot in shots], cells)


def printed(table: SizeTable) -> Table:
    """Make the terminal's table."""
    shown = Table(title=table.title)
    has_ways = table.ways != [""]
    if has_ways:
        shown.add_column("ways", justify="right")
    for shots in table.shots:
        shown.add_column(f"shots {shots}", justify="right")
    for ways, cells in zip(table.ways, table.cells, strict=True):
        shown.add_row(*([ways] if has_ways else []), *cells)
    return shown


_AXES = ("ways", "shots")


def _cell(metric: str, row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    scale, digits = (100, 1) if is_share(metric) else (1, 4)
    return mean_and_interval(row[metric] * scale, row[f"{metric}_ci95"] * scale, digits)
