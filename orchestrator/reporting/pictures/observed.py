"""The picture of a policy's observations, before adaptation and after the most inner steps."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from orchestrator.config.score_unit import INNER_STEPS, Unit
from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Array, Episode

_NUM_ROWS = 3


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText] = (),
    unit: Unit = INNER_STEPS,
) -> Figure:
    """Draw a column for each task, and a row for each of the first observed numbers.

    Args:
      outputs: observations [tasks, inner_steps + 1, episodes, horizon, ...]; NaN once an episode
        is over; the first episode is drawn.
      inner_steps: the last of them is drawn.
      title: "" for none.
      unit: what the steps are.
    """
    observed = np.reshape(outputs[:, :, 0], (*outputs.shape[:2], outputs.shape[3], -1))
    num_tasks, rows, last = len(observed), min(observed.shape[-1], _NUM_ROWS), inner_steps[-1]
    figure = Figure(figsize=(4.2 * num_tasks, 1.6 * rows + 0.8), layout="constrained")
    figure.subplots(rows, num_tasks, squeeze=False, sharex=True)
    for row, task in np.ndindex(rows, num_tasks):
        axes = figure.axes[row * num_tasks + task]
        axes.plot(observed[task, 0, :, row], "--", color="C3", label=unit.legend(0))
        axes.plot(observed[task, last, :, row], color="C0", label=unit.legend(last))
        axes.spines[["top", "right"]].set_visible(False)
        if task == 0:
            axes.set_ylabel(f"observed {row}")
        if row == rows - 1:
            axes.set_xlabel("step of the episode")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
    if title:
        figure.suptitle(title)
    return figure
