"""The pictures of a sweep: parallel coordinates, a curve per trial, importances."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.reporting.drawing import written
from orchestrator.reporting.page.panel import count_steps, drawable, panel, scale
from orchestrator.sweep.dimension import Dimension
from orchestrator.sweep.rows import Row

Curve = Sequence[tuple[int, float]]
Tick = tuple[float, str]
# Height at which a trial is drawn at a hyperparameter that it lacks: below the axis.
_ABSENT = -0.12
# The height of a number in pixels of the figure.
_NUMBER_PX = 12
# A box behind the label of a tick, so that lines do not strike it through.
_LABEL_BOX = {"boxstyle": "square,pad=0.1", "facecolor": "#ffffff", "edgecolor": "none"}


def parallel_coordinates(
    ranked: Mapping[int, Row], space: Mapping[str, Dimension], metric: str
) -> Figure:
    """Draw an axis for each hyperparameter and one for the score, and a line for each trial.

    Args:
      ranked: trials with a score by number, the best first; the best is drawn last, highlighted.
    """
    keys = list(space)
    figure = Figure(figsize=(1.7 * (len(keys) + 1) + 1, 3.6), layout="constrained")
    axes = figure.subplots()
    trials = list(ranked.values())
    columns = [_column([row.point.get(key) for row in trials], space[key]) for key in keys]
    columns.append(_numbers([row.score for row in trials], log=False))
    heights = np.array([column[0] for column in columns])
    for rank in reversed(range(len(trials))):
        axes.plot(heights[:, rank], **_style(rank, len(trials)))
    for column, (_, ticks) in enumerate(columns):
        axes.axvline(column, color="0.6", lw=0.8, zorder=0)
        for height, label in ticks:
            axes.annotate(
                label,
                (column, height),
                (4, 0),
                textcoords="offset points",
                fontsize=9,
                va="center",
                bbox=_LABEL_BOX,
            )
    _number_ends(
        axes, {n: (0, height) for n, height in zip(ranked, heights[0], strict=True)}, left=True
    )
    names = [*(_two_lines(key) for key in keys), f"validation\n{metric}"]
    axes.set_xticks(range(len(columns)), names, fontsize=9)
    axes.set_xlim(-0.1, len(columns) - 0.6)
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return figure


def curves(of_trials: Mapping[int, Curve], metric: str) -> Figure:
    """Draw the validation score of each trial against outer steps.

    Args:
      of_trials: curves by number of the trial, the best trial first.
    """
    figure, axes = panel("outer step", f"validation {metric}")
    of_trials = {
        number: [(step, score) for step, score in points if np.isfinite(drawable(score))]
        for number, points in of_trials.items()
    }
    ranked = list(of_trials.values())
    for rank in reversed(range(len(ranked))):
        points = ranked[rank]
        axes.plot(
            [step for step, _ in points],
            [score for _, score in points],
            marker="o" if len(points) == 1 else None,
            **_style(rank, len(ranked)),
        )
    scale(axes, metric, [score for points in ranked for _, score in points])
    count_steps(axes)
    _number_ends(axes, {number: points[-1] for number, points in of_trials.items() if points})
    return figure


def importance_bars(shares: Mapping[str, float]) -> Figure:
    """Draw a bar for the importance of each hyperparameter."""
    figure = Figure(figsize=(4.4, 0.35 * len(shares) + 0.6), layout="constrained")
    axes = figure.subplots()
    names = list(shares)[::-1]
    bars = axes.barh(names, [shares[name] for name in names], color="C0")
    axes.bar_label(bars, [f"{shares[name]:.0%}" for name in names], padding=3)
    axes.set_xlim(0, 1.1)
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    return figure


def _column(values: Sequence[Any], dimension: Dimension) -> tuple[list[float], list[Tick]]:
    """Return the heights of values, from 0 to 1 and below 0 for a missing one, and the ticks."""
    if dimension.kind not in ("choice", "grid"):
        return _numbers(values, log=dimension.kind == "loguniform")
    names = list(dict.fromkeys(str(value) for value in dimension.extremes))
    height_of = {name: index / max(1, len(names) - 1) for index, name in enumerate(names)}
    heights = [_ABSENT if value is None else height_of[str(value)] for value in values]
    ticks = [(height, written(name)) for name, height in height_of.items()]
    return heights, _ticks(ticks, heights)


def _numbers(values: Sequence[Any], log: bool) -> tuple[list[float], list[Tick]]:
    numbers = np.array([np.nan if value is None else float(value) for value in values])
    if not np.isfinite(numbers).any():
        return [_ABSENT] * len(values), _ticks([], [_ABSENT])
    scaled = np.log(numbers) if log else numbers
    low, high = np.nanmin(scaled), np.nanmax(scaled)
    heights = list(np.nan_to_num((scaled - low) / ((high - low) or 1), nan=_ABSENT))
    positions = np.linspace(low, high, 5) if high > low else np.array([low])
    labels = np.exp(positions) if log else positions
    ticks = [
        (float((position - low) / ((high - low) or 1)), f"{label:.3g}")
        for position, label in zip(positions, labels, strict=True)
    ]
    return heights, _ticks(ticks, heights)


def _ticks(of_values: list[Tick], heights: Sequence[float]) -> list[Tick]:
    return [*of_values, *([(_ABSENT, "none")] if _ABSENT in heights else [])]


def _number_ends(axes: Axes, ends: Mapping[int, tuple[float, float]], left: bool = False) -> None:
    """Write the number of each trial at the end of its line, unless a better one is there.

    Args:
      ends: ends of the lines by number, the best trial first, which is never left out.
      left: write to the left of the end, not to its right.
    """
    free: list[float] = []
    for number, end in ends.items():
        height = axes.transData.transform(end)[1]
        if any(abs(height - other) < _NUMBER_PX for other in free):
            continue
        free.append(height)
        axes.annotate(
            str(number),
            end,
            (-5 if left else 4, 0),
            textcoords="offset points",
            fontsize=8,
            va="center",
            ha="right" if left else "left",
            color="C0" if len(free) > 1 else "C1",
        )


def _two_lines(key: str) -> str:
    section, _, name = key.rpartition(".")
    return f"{section}.\n{name}" if section else name


def _style(rank: int, number: int) -> dict[str, Any]:
    """Return a style that highlights the best trial and fades the others by their rank."""
    if rank == 0:
        return {"color": "C1", "lw": 2.5}
    return {"color": "C0", "lw": 1.2, "alpha": 1 - 0.75 * rank / max(1, number - 1)}
