"""Axes for a page: as wide as a phone, few ticks, scales that are read at a glance."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from workers.metrics import is_share

#: Points of a curve at most.
MAX_POINTS = 150
_LARGEST = 1e100
# Of a row of a legend.
_LEGEND_LETTERS, _LEGEND_INCHES = 60, 0.2


def panel(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    """A figure of one plot."""
    figure = Figure(figsize=(4.4, 3.0), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e0e0e0", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    return figure, axes


def legend(figure: Figure) -> None:
    """What each line is, below the axes, where it covers none."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    longest = max(map(len, labels), default=0)
    columns = max(1, min(len(labels), _LEGEND_LETTERS // (longest + 6)))
    rows = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + _LEGEND_INCHES * rows)
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )


def count_steps(axes: Axes) -> None:
    """The x axis counts outer steps."""
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))


def from_zero(axes: Axes) -> None:
    """The y axis counts things, from 0 on."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))


def scale(axes: Axes, metric: str, values: ArrayLike) -> None:
    """Fit the y axis to what is drawn: per cent, a logarithm, or as it is.

    Args:
      values: all that is drawn.
    """
    numbers = drawable(values)
    numbers = numbers[np.isfinite(numbers)]
    if is_share(metric):
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
        return
    if "loss" in metric and numbers.size and numbers.min() > 0:
        axes.set_yscale("log")
        decades = np.log10(numbers.max() / numbers.min())
        axes.yaxis.set_major_locator(LogLocator(subs=_ticks(decades)))
        axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _ticks(decades: float) -> tuple[float, ...]:
    """Where a decade of a logarithmic axis has its numbers."""
    if decades > 3:
        return (1,)
    if decades > 1.3:
        return (1, 2, 5)
    return (1, 1.5, 2, 3, 5, 7) if decades > 0.4 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)


def drawable(values: ArrayLike) -> NDArray[np.float64]:
    """The values, and a gap where one is not finite or too large for axes to be computed."""
    numbers = np.asarray(values, float)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(numbers) < _LARGEST, numbers, np.nan)


def thinned(x: ArrayLike, y: ArrayLike) -> tuple[Sequence[float], Sequence[float]]:
    """Equal parts of a curve, each as its mean: MAX_POINTS at most."""
    xs, ys = np.asarray(x, float), drawable(y)
    if not xs.size:
        return [], []
    number = min(xs.size, MAX_POINTS)
    return (
        [part.mean() for part in np.array_split(xs, number)],
        [part.mean() for part in np.array_split(ys, number)],
    )


def thousands(value: float) -> str:
    """12 345, with a thin space."""
    return f"{value:,.0f}".replace(",", "\u2009")
