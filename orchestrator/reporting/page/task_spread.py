"""The spread of scores over test tasks: the worst tasks by name, and a histogram."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from orchestrator.records.task_scores import UNEXPLAINED, TaskScores
from orchestrator.reporting.page.numbers import score
from orchestrator.reporting.page.panel import from_zero, panel
from workers.metrics import called, is_share

_NUM_WORST = 5
_NUM_BINS = 20
# Ratio of variances: a factor of ten between the units of two tasks.
_FAR_LESS = 0.01


def worst(scores: TaskScores, metric: str, sign: int) -> list[dict[str, str]]:
    """Make the rows of a table of the worst tasks; a task drawn several times has its mean."""
    before = {name: mean for name, mean, _ in scores.by_name(f"{metric}_before")}
    unexplained = {}
    if UNEXPLAINED in scores.columns:
        unexplained = {name: mean for name, mean, _ in scores.by_name(UNEXPLAINED)}
    rows = []
    for name, mean, drawn in _sorted(scores, metric, sign)[:_NUM_WORST]:
        row = {
            "task": name,
            f"{called(metric)} before": score(metric, before[name]),
            "after": score(metric, mean),
            "drawn": f"{drawn}",
        }
        if unexplained:
            row["of the task's variance"] = f"{100 * unexplained[name]:.3g} %"
        rows.append(row)
    return rows


def draw(scores: TaskScores, metric: str) -> Figure | None:
    """Draw a histogram of the tasks' scores after adaptation; None if all are the same."""
    values = scores.columns[f"{metric}_after"]
    values = values[np.isfinite(values)]
    if not len(values) or values.min() == values.max():
        return None
    figure, axes = panel(f"{called(metric)} after adaptation", "test tasks")
    logarithmic = metric == "loss" and values.min() > 0
    edges = (np.geomspace if logarithmic else np.linspace)(values.min(), values.max(), _NUM_BINS)
    axes.hist(values, edges.tolist(), color="C0")
    if logarithmic:
        axes.set_xscale("log")
    elif is_share(metric):
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
    from_zero(axes)
    return figure


def worst_line(scores: TaskScores, metric: str, sign: int) -> str:
    """Describe the three worst tasks and the median one, for a terminal."""
    ranked = _sorted(scores, metric, sign)
    if len(ranked) < 2 or not ranked[0][0]:
        return ""
    named = "; ".join(f"{name}: {score(metric, mean)}" for name, mean, _ in ranked[:3])
    middle = ranked[len(ranked) // 2][1]
    return f"worst tasks by {called(metric)}: {named} (median {score(metric, middle)})"


def useless(scores: TaskScores) -> list[str]:
    """List tasks whose predictions are no better than the task's own mean, the worst first.

    Only regression has such tasks.
    """
    if UNEXPLAINED not in scores.columns:
        return []
    tasks = [(mean, name) for name, mean, _ in scores.by_name(UNEXPLAINED) if not mean < 1]
    return [name for _, name in sorted(tasks, key=lambda task: -task[0])]


def in_other_units(scores: TaskScores) -> bool:
    """Return whether the targets of useless tasks vary far less than those of the others."""
    without = scores.columns[UNEXPLAINED] >= 1
    if not without.any() or without.all():
        return False
    error = scores.columns.get("mse_after", scores.columns["loss_after"])
    variance = error / scores.columns[UNEXPLAINED]
    return bool(np.median(variance[without]) < _FAR_LESS * np.median(variance[~without]))


def _sorted(scores: TaskScores, metric: str, sign: int) -> list[tuple[str, float, int]]:
    """Sort the tasks, worst first; a score that is not finite is the worst."""
    tasks = scores.by_name(f"{metric}_after")
    return sorted(tasks, key=lambda task: sign * task[1] if np.isfinite(task[1]) else -np.inf)
