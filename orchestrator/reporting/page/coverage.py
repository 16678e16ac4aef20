"""Figures of how far probabilities and coverages are right on test tasks."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MultipleLocator

from orchestrator.records.result import Result
from orchestrator.reporting.page.panel import legend, panel


def figures(result: Result) -> list[tuple[str, Figure]]:
    """Draw reliability diagrams, with captions; [] if predictions are not calibrated."""
    table = result.calibration
    if not table or "by_coverage" not in table:
        return []
    what = "sets" if "set_size" in table else "intervals"
    drawn = [(f"Coverage of {what} on test tasks, asked and reached", draw_coverage(table))]
    if "bins_before" in table:
        drawn.append(("Accuracy on test tasks by confidence", draw_reliability(table)))
    return drawn


def draw_coverage(table: Mapping[str, Any]) -> Figure:
    """Draw the coverage that test tasks reach against the one that is asked for."""
    figure, axes = panel("coverage asked", "coverage reached")
    asked, reached = np.asarray(table["by_coverage"], float).T
    axes.plot(asked, reached, color="C0", label="reached")
    axes.plot(table["coverage_asked"], table["coverage"], "o", color="C0", label="as configured")
    _diagonal(axes, float(asked[0]))
    axes.set_ylim(bottom=min(float(asked[0]), float(reached.min())) - 0.02)
    legend(figure)
    return figure


def draw_reliability(table: Mapping[str, Any]) -> Figure:
    """Draw the accuracy against the confidence, before and after the temperature.

    A dot is a bin of queries; its area is their share.
    """
    figure, axes = panel("confidence", "accuracy")
    for name, color in (("before", "C1"), ("after", "C0")):
        shares, confidence, accuracy = np.asarray(table[f"bins_{name}"], float).T
        filled = shares > 0
        error = f"{name} temperature: off by {100 * table[f'ece_{name}']:.1f} %"
        axes.plot(confidence[filled], accuracy[filled], color=color, lw=1, label=error)
        axes.scatter(confidence[filled], accuracy[filled], s=200 * shares[filled], color=color)
    _diagonal(axes, 0.0)
    axes.set_ylim(-0.03, 1.03)
    legend(figure)
    return figure


def _diagonal(axes: Axes, low: float) -> None:
    axes.plot([low, 1], [low, 1], color="0.6", linestyle=":", label="exact")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MultipleLocator(0.1 if low else 0.2))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f} %"))
