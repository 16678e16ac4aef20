"""Axes of a page's figures: as wide as a phone, with few ticks and simple scales."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import ArrayLike, NDArray

from workers.metrics import is_share

#: Most points of a curve.
MAX_POINTS = 150
_LARGEST = 1e100
# Size of a row of a legend.
_LEGEND_LETTERS, _LEGEND_INCHES = 60, 0.2


def panel(xlabel: str, ylabel: str) -> tuple[Figure, Axes]:
    """Make a figure of one plot."""
    figure = Figure(figsize=(4.4, 3.0), layout="constrained")
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(color="#e0e0e0", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    return figure, axes


def legend(figure: Figure) -> None:
    """Add a legend below the axes, where it covers no line."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    longest = max(map(len, labels), default=0)
    columns = max(1, min(len(labels), _LEGEND_LETTERS // (longest + 6)))
    rows = -(-len(labels) // columns)
    figure.set_figheight(figure.get_figheight() + _LEGEND_INCHES * rows)
    figure.legend(
        handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=9
    )


def count_steps(axes: Axes) -> None:
    """Format the x axis as a count of outer steps."""
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))


def from_zero(axes: Axes) -> None:
    """Format the y axis as a count from 0."""
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: thousands(value)))


def scale(axes: Axes, metric: str, values: ArrayLike) -> None:
    """Choose the y axis for the drawn values: per cent, logarithmic or linear.

    Args:
      values: all drawn values.
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
    """Return the labelled multiples in a decade of a logarithmic axis."""
    if decades > 3:
        return (1,)
    if decades > 1.3:
        return (1, 2, 5)
    return (1, 1.5, 2, 3, 5, 7) if decades > 0.4 else (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)


def drawable(values: ArrayLike) -> NDArray[np.float64]:
    """Replace values that are not finite, or too large for axes, by a gap."""
    numbers = np.asarray(values, float)
    with np.errstate(invalid="ignore"):
        return np.where(np.abs(numbers) < _LARGEST, numbers, np.nan)


def thinned(x: ArrayLike, y: ArrayLike) -> tuple[Sequence[float], Sequence[float]]:
    """Thin a curve to at most MAX_POINTS points, each the mean of an equal part."""
    xs, ys = np.asarray(x, float), drawable(y)
    if not xs.size:
        return [], []
    number = min(xs.size, MAX_POINTS)
    return (
        [part.mean() for part in np.array_split(xs, number)],
        [part.mean() for part in np.array_split(ys, number)],
    )


def thousands(value: float) -> str:
    """Format a number as 12 345, with a thin space."""
    return f"{value:,.0f}".replace(",", "\u2009")
