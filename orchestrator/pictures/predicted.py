"""Regression of several inputs: predictions against the truth, before and after adaptation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from workers.protocol import Array, Episode
from workers.tasks.words import Words


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[Words] = (),
) -> Figure:
    """One panel per task; on the diagonal a prediction is right.

    Args:
      outputs: [tasks, inner_steps + 1, queries, 1].
      inner_steps: the last of them counts as "after".
    """
    num_tasks = len(outputs)
    figure = Figure(figsize=(4 * num_tasks, 4), layout="constrained")
    for task, axes in enumerate(figure.subplots(1, num_tasks, squeeze=False)[0]):
        truth = episodes.query_targets[task, :, 0]
        support = episodes.support_targets[task, :, 0]
        shown = np.concatenate([truth, support])
        ends = [shown.min(), shown.max()]
        axes.plot(ends, ends, color="0.6", label="truth")
        axes.plot(truth, outputs[task, 0, :, 0], "x", color="C3", label="before")
        after = outputs[task, inner_steps[-1], :, 0]
        plural = "s" if inner_steps[-1] > 1 else ""
        axes.plot(truth, after, "o", color="C0", label=f"after {inner_steps[-1]} step{plural}")
        axes.plot(support, np.full(len(support), ends[0]), "^", color="C1", label="support")
        axes.set_xlabel("target")
    figure.axes[0].set_ylabel("prediction")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
    figure.suptitle(title)
    return figure
