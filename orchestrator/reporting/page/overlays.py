"""Curves of several runs in one plot: by outer step, and by minute."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from orchestrator.reporting.page.panel import count_steps, from_zero, legend, panel, scale, thinned
from orchestrator.reporting.page.training_curves import (
    VALIDATION,
    Rows,
    column_of,
    curve,
    metrics_of,
)
from workers.metrics import called

Runs = Mapping[str, Rows]


def draw(runs: Runs) -> list[tuple[str, Figure]]:
    """Draw figures with captions for every metric that all runs have."""
    with_rows = {label: rows for label, rows in runs.items() if rows}
    if not with_rows:
        return []
    by_run = [metrics_of(rows) for rows in with_rows.values()]
    metrics = [name for name in by_run[0] if all(name in names for names in by_run)]
    drawn = []
    for metric in metrics:
        drawn.append((f"Training {called(metric)} after adaptation", _training(with_rows, metric)))
        if sum(_has_validations(rows, metric) for rows in with_rows.values()):
            drawn.append(
                (f"Validation {called(metric)} by outer step", _validation(with_rows, metric))
            )
            by_minute = _validation(with_rows, metric, by_minute=True)
            drawn.append((f"Validation {called(metric)} by minute of training", by_minute))
    return [*drawn, ("Tasks per second", _speed(with_rows))]


def _training(runs: Runs, metric: str) -> Figure:
    figure, axes = panel("outer step", called(metric))
    values: list[float] = []
    for number, (label, rows) in enumerate(runs.items()):
        values += curve(axes, rows, column_of(metric), label=label, color=f"C{number % 10}")
    scale(axes, metric, values)
    count_steps(axes)
    legend(figure)
    return figure


def _validation(runs: Runs, metric: str, by_minute: bool = False) -> Figure:
    figure, axes = panel("minutes in outer steps" if by_minute else "outer step", called(metric))
    name = f"{VALIDATION}{metric}"
    values: list[float] = []
    for number, (label, rows) in enumerate(runs.items()):
        x = _minutes(rows) if by_minute else np.array([row["step"] for row in rows], float)
        at = [index for index, row in enumerate(rows) if name in row]
        steps, scores = thinned(x[at], [rows[index][name] for index in at])
        axes.plot(steps, scores, "o-", ms=3, label=label, color=f"C{number % 10}")
        values += scores
    scale(axes, metric, values)
    if not by_minute:
        count_steps(axes)
    legend(figure)
    return figure


def _speed(runs: Runs) -> Figure:
    figure, axes = panel("outer step", "tasks / s")
    for number, (label, rows) in enumerate(runs.items()):
        curve(axes, rows, "tasks_per_s", label=label, color=f"C{number % 10}")
    from_zero(axes)
    count_steps(axes)
    legend(figure)
    return figure


def _minutes(rows: Rows) -> np.ndarray:
    return np.array([row.get("seconds", 0.0) for row in rows], float).cumsum() / 60


def _has_validations(rows: Rows, metric: str) -> bool:
    return any(f"{VALIDATION}{metric}" in row for row in rows)
