"""The picture of a point that must find a goal: its paths by inner step."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from orchestrator.config.score_unit import INNER_STEPS, Unit
from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Array, Episode

_NUM_PATHS = 8  # more would hide each other
_MARGIN = 0.15


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText] = (),
    unit: Unit = INNER_STEPS,
) -> Figure:
    """Draw a panel for each task, with a few episodes of each.

    Args:
      episodes: query_targets are the goals, [tasks, 1, 2].
      outputs: positions [tasks, inner_steps + 1, episodes, horizon, 2]; NaN once an episode is
        over.
      inner_steps: the steps to draw beside step 0.
      title: "" for none.
      unit: what the steps are.
    """
    num_tasks = len(outputs)
    figure = Figure(figsize=(4.2 * num_tasks, 4.4), layout="constrained")
    for task, axes in enumerate(figure.subplots(1, num_tasks, squeeze=False)[0]):
        _draw_paths(axes, outputs[task, 0], color="C3", alpha=0.35)
        for i, step in enumerate(inner_steps):
            _draw_paths(axes, outputs[task, step], color="C0", alpha=_alpha(i, inner_steps))
        goal = episodes.query_targets[task, 0]
        axes.plot(0, 0, "o", color="0.3", markersize=6)
        axes.plot(*goal, "*", color="C1", markersize=16, zorder=3)
        reach = max(0.5, float(np.abs(goal).max())) + _MARGIN
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="x")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("y")
    figure.legend(
        handles=_handles(inner_steps, unit), loc="outside lower center", ncols=3, frameon=False
    )
    if title:
        figure.suptitle(title)
    return figure


def _draw_paths(axes: Axes, paths: Array, color: str, alpha: float) -> None:
    for path in paths[:_NUM_PATHS]:
        axes.plot(path[:, 0], path[:, 1], color=color, alpha=alpha, linewidth=1)


def _handles(inner_steps: Sequence[int], unit: Unit) -> list[Line2D]:
    handles = [
        Line2D([], [], color="C1", marker="*", markersize=12, linestyle="", label="goal"),
        Line2D([], [], color="0.3", marker="o", linestyle="", label="start"),
        Line2D([], [], color="C3", alpha=0.35, label=unit.legend(0)),
    ]
    for i, step in enumerate(inner_steps):
        label, alpha = unit.legend(step), _alpha(i, inner_steps)
        handles.append(Line2D([], [], color="C0", alpha=alpha, label=label))
    return handles


def _alpha(i: int, inner_steps: Sequence[int]) -> float:
    """Return the opacity of a step's paths; later steps stand out."""
    return 0.3 + 0.6 * (i + 1) / len(inner_steps)
