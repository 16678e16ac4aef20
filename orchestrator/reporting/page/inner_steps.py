"""Figures of scores by inner step, with intervals."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from orchestrator.config.score_unit import INNER_STEPS, Unit
from orchestrator.records.divergence import diverged_steps
from orchestrator.reporting.drawing import drawing, png
from orchestrator.reporting.page.panel import drawable, legend, panel, scale
from workers.metrics import called

PerStep = Sequence[Mapping[str, float]]
# Up to this many inner steps, each has its own mark and error bar.
_MOST_MARKS = 20


def draw(
    curves: Mapping[str, PerStep],
    metric: str,
    chosen: int | None = None,
    unit: Unit = INNER_STEPS,
) -> Figure:
    """Draw the metric against inner steps, a curve for each label.

    Diverging inner steps are left out, so that the others can be read, and are shaded.

    Args:
      chosen: the number of inner steps of the reported score, which is marked.
      unit: what the rows are counted by.
    """
    figure, axes = panel(unit.heading, called(metric))
    drawn: list[float] = []
    diverging = False
    for number, (label, per_step) in enumerate(curves.items()):
        broken = diverged_steps(per_step, metric)
        means = drawable([row[metric] for row in per_step])
        errors = drawable([row[f"{metric}_ci95"] for row in per_step])
        means[broken] = np.nan
        errors = np.where(np.isfinite(errors), errors, 0.0)
        drawn += [*(means - errors), *(means + errors)]
        color = f"C{number % 10}"
        steps = np.arange(len(per_step)) + unit.first
        diverging |= bool(broken)
        for step in broken:
            at = step + unit.first
            axes.axvspan(at - 0.5, at + 0.5, color=color, alpha=0.12, lw=0)
        if len(steps) <= _MOST_MARKS:
            axes.errorbar(steps, means, errors, fmt="o-", ms=4, capsize=3, color=color, label=label)
        else:
            axes.plot(steps, means, color=color, label=label)
            axes.fill_between(steps, means - errors, means + errors, color=color, alpha=0.25, lw=0)
    if chosen is not None:
        axes.axvline(
            chosen + unit.first, color="0.6", linestyle=":", label="where the score is taken"
        )
    if diverging:
        axes.set_xlabel(f"{unit.heading} (shaded: diverges)")
    axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    scale(axes, metric, drawn)
    if len(curves) > 1 or chosen is not None:
        legend(figure)
    return figure


@drawing()
def png_of_each_metric(
    per_step: PerStep, metrics: Sequence[str], unit: Unit = INNER_STEPS
) -> dict[str, bytes]:
    """Draw a PNG for each metric: {"accuracy_by_inner_step": PNG, ...}."""
    pictures = {}
    for metric in metrics:
        figure = draw({"test": per_step}, metric, unit=unit)
        pictures[f"{metric}_by_{unit.key}"] = png(figure)
    return pictures
