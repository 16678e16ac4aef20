"""Training curves: losses before and after adaptation, accuracy, validation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_MAX_POINTS = 100


def draw(rows: Sequence[dict[str, Any]]) -> Figure:
    """One panel for the losses and, where there is one, one for the accuracy.

    Args:
      rows: of metrics.jsonl, one per outer step, in order; each point drawn is the mean of
        equally many of them.
    """
    panels = ["loss", *(["accuracy"] if rows and "accuracy" in rows[0] else [])]
    figure = Figure(figsize=(5.2 * len(panels), 3.4), layout="constrained")
    for axes, panel in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        if panel == "loss":
            _curve(axes, rows, "loss_before", "before (support)", "C3")
            _curve(axes, rows, "loss_after", "after (query)", "C0")
            axes.set_yscale("log")
            for of_axis in (axes.yaxis.set_major_formatter, axes.yaxis.set_minor_formatter):
                of_axis(lambda value, _: f"{value:g}")
        else:
            _curve(axes, rows, "accuracy", "after (query)", "C0")
        name = f"validation_{panel}"
        validated = [row for row in rows if name in row]
        steps, scores = ([row[key] for row in validated] for key in ("step", name))
        axes.plot(steps, scores, "o", color="C1", label="validation")
        axes.set_xlabel("outer step")
        axes.set_ylabel(panel)
        axes.legend(frameon=False)
    return figure


def _curve(axes: Axes, rows: Sequence[dict[str, Any]], name: str, label: str, color: str) -> None:
    parts = np.array_split(np.array([row[name] for row in rows]), min(len(rows), _MAX_POINTS) or 1)
    steps = np.array_split(np.array([row["step"] for row in rows]), len(parts))
    means = [part.mean() for part in parts if part.size]
    axes.plot([part.mean() for part in steps if part.size], means, color=color, label=label)
