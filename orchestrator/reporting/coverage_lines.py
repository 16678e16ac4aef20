"""Sentences on sets, intervals and probabilities: what was asked, and what test tasks reach."""

from collections.abc import Mapping
from typing import Any

from orchestrator.records.result import Result


def lines(result: Result) -> list[str]:
    """Say in a sentence or two what the calibration of a result reaches; [] without any."""
    table = result.calibration
    if not table or "coverage" not in table:
        return []
    return [_of_coverage(table), *_of_doubts(table)]


def _of_coverage(table: Mapping[str, Any]) -> str:
    reached = f"{_percent(table['coverage'])} ± {100 * table['coverage_ci95']:.1f} %"
    asked = f"{100 * table['coverage_asked']:g} % asked"
    if "set_size" in table:
        empty = table["empty_sets"]
        more = f", {_percent(empty)} % are empty" if empty else ""
        return (
            f"sets hold the true class of {reached} of test queries ({asked}), with "
            f"{table['set_size']:.2f} classes on average{more}"
        )
    width = table["interval_width"]
    if width is None:
        tasks = table["calibrated_on"]
        return f"intervals are without bounds: {tasks} validation tasks are too few for {asked}"
    return (
        f"intervals hold {reached} of the true numbers of test queries ({asked}), with a mean "
        f"width of {width:.3g}"
    )


def _of_doubts(table: Mapping[str, Any]) -> list[str]:
    parts = []
    if "temperature" in table:
        before, after = (_percent(table[f"ece_{when}"]) for when in ("before", "after"))
        parts.append(
            f"probabilities are off by {before} % on average (expected calibration error), by "
            f"{after} % at the temperature {table['temperature']:.2f}"
        )
    if table.get("unknown") is not None:
        asked = f"{100 * table['false_alarms_asked']:g} % asked"
        parts.append(f"{_percent(table['unknown'])} % of queries are called unknown ({asked})")
    return ["; ".join(parts)] if parts else []


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"
