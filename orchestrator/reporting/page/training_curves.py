"""Curves of a run's metrics over its steps: losses, the family's metrics, speed, incidents."""

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
    """List the metrics of a run's tasks: loss, and those of its family."""
    if not rows:
        return []
    names = [name for name in rows[0] if name not in _BESIDE and not name.startswith(VALIDATION)]
    return ["loss", *names]


def column_of(metric: str) -> str:
    """Return the column of the score after adaptation."""
    return "loss_after" if metric == "loss" else metric


def draw_metric(rows: Rows, metric: str) -> Figure:
    """Draw training scores after adaptation, losses also before it, and every validation.

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
    """Draw tasks per second."""
    figure, axes = panel("outer step", "tasks / s")
    curve(axes, rows, "tasks_per_s", color="C4")
    from_zero(axes)
    count_steps(axes)
    return figure


def draw_incidents(rows: Rows) -> Figure | None:
    """Draw the running counts of faults that were recovered; None if there were none."""
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
    """Return the running count at each row, over all openings of the run.

    skipped_tasks counts a step's tasks; other columns count from 0 since the run was opened.
    """
    counts = np.array([row.get(name, 0) for row in rows], float)
    if name == "skipped_tasks" or not counts.size:
        return counts.cumsum()
    rises = np.diff(counts, prepend=0)
    return np.where(rises < 0, counts, rises).cumsum()


def curve(axes: Axes, rows: Rows, name: str, **style: Any) -> Sequence[float]:
    """Draw a column against steps; return the drawn values."""
    having = [row for row in rows if name in row]
    steps, values = thinned([row["step"] for row in having], [row[name] for row in having])
    axes.plot(steps, values, **style)
    return values
