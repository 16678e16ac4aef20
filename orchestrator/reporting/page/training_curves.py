"""What a run's metrics look like over its steps: losses, the family's own, speed, incidents."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.pool.base import Incidents
from orchestrator.reporting.page.panel import (
    MAX_POINTS,
    count_steps,
    drawable,
    from_zero,
    legend,
    panel,
    scale,
    thinned,
)
from workers.metrics import called

Rows = Sequence[Mapping[str, Any]]

VALIDATION = "validation_"
INCIDENTS = ("skipped_tasks", *(field.name for field in fields(Incidents)))
_BESIDE = {"step", "tasks_per_s", "seconds", "loss_before", "loss_after", *INCIDENTS}
_STYLES = ("-", "--", "-.", ":")


def metrics_of(rows: Rows) -> list[str]:
    """What the tasks of a run were scored by: loss, and the family's own."""
    if not rows:
        return []
    own = [name for name in rows[0] if name not in _BESIDE and not name.startswith(VALIDATION)]
    return ["loss", *own]


def column_of(metric: str) -> str:
    """Where the score after adaptation stands in a row."""
    return "loss_after" if metric == "loss" else metric


def draw_metric(rows: Rows, metric: str) -> Figure:
    """Training tasks before and after adaptation where both are known, and every validation.

    Each point of a curve is the mean of equally many steps.
    """
    figure, axes = panel("outer step", called(metric))
    drawn: list[float] = []
    if metric == "loss":
        drawn += curve(axes, rows, "loss_before", label="before (support)", color="C3")
    drawn += curve(axes, rows, column_of(metric), label="after (query)", color="C0")
    validated = [row for row in rows if f"{VALIDATION}{metric}" in row]
    if validated:
        steps, scores = (
            [row[key] for row in validated] for key in ("step", f"{VALIDATION}{metric}")
        )
        scores = list(drawable(scores))
        axes.plot(steps, scores, "o", ms=4, color="C1", label="validation")
        drawn += scores
    scale(axes, metric, drawn)
    count_steps(axes)
    legend(figure)
    return figure


def draw_speed(rows: Rows) -> Figure:
    """Tasks per second."""
    figure, axes = panel("outer step", "tasks / s")
    curve(axes, rows, "tasks_per_s", color="C4")
    from_zero(axes)
    count_steps(axes)
    return figure


def draw_incidents(rows: Rows) -> Figure | None:
    """What went wrong and was made good, counted up; None if nothing did."""
    totals = {name: cumulated(rows, name) for name in INCIDENTS}
    totals = {name: total for name, total in totals.items() if total.size and total[-1]}
    if not totals:
        return None
    figure, axes = panel("outer step", "so far")
    steps = np.array([row["step"] for row in rows])
    shown = np.unique(np.linspace(0, len(rows) - 1, MAX_POINTS).astype(int))
    for number, (name, total) in enumerate(totals.items()):
        axes.step(
            steps[shown],
            total[shown],
            _STYLES[number % len(_STYLES)],
            where="post",
            color=f"C{number}",
            label=name.replace("_", " "),
        )
    from_zero(axes)
    count_steps(axes)
    legend(figure)
    return figure


def cumulated(rows: Rows, name: str) -> np.ndarray:
    """A count at each row, over all times that the run was opened.

    skipped_tasks counts the step; the others count since the run was opened and begin at 0 again.
    """
    counts = np.array([row.get(name, 0) for row in rows], float)
    if name == "skipped_tasks" or not counts.size:
        return counts.cumsum()
    rises = np.diff(counts, prepend=0)
    return np.where(rises < 0, counts, rises).cumsum()


def curve(axes: Axes, rows: Rows, name: str, **style: Any) -> Sequence[float]:
    """Draw a column against steps; what was drawn."""
    there = [row for row in rows if name in row]
    steps, values = thinned([row["step"] for row in there], [row[name] for row in there])
    axes.plot(steps, values, **style)
    return values
