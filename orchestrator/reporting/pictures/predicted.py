"""The picture of a regression of several inputs: predictions against targets, before and after."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Array, Episode

_LEGEND_COLUMNS = 2  # for each task


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText] = (),
) -> Figure:
    """Draw a panel for each task; right predictions are on the diagonal, lines show the change.

    Args:
      outputs: [tasks, inner_steps + 1, queries, 1].
      inner_steps: the last of them counts as "after".
      title: "" for none.
    """
    num_tasks = len(outputs)
    figure = Figure(figsize=(4 * num_tasks, 4.2), layout="constrained")
    steps = f"{inner_steps[-1]} step{'s' if inner_steps[-1] > 1 else ''}"
    for task, axes in enumerate(figure.subplots(1, num_tasks, squeeze=False)[0]):
        truth = episodes.query_targets[task, :, 0]
        before, after = (outputs[task, step, :, 0] for step in (0, inner_steps[-1]))
        support = episodes.support_targets[task, :, 0]
        ends = [f(np.concatenate([truth, support])) for f in (np.min, np.max)]
        axes.plot(ends, ends, color="0.6", linewidth=3, zorder=1, label="truth")
        axes.vlines(truth, before, after, color="0.6", linewidth=1, zorder=1)
        axes.plot(truth, before, "x", color="C3", label="before")
        axes.plot(truth, after, "o", color="C0", label=f"after {steps}")
        # On the axis, as support examples have no predictions.
        bottom = axes.get_xaxis_transform()
        style = {"color": "C1", "markersize": 8, "clip_on": False, "transform": bottom}
        axes.plot(support, np.zeros(len(support)), "^", label="support", **style)
        axes.set_xlabel("target")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("prediction")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    columns = min(len(labels), _LEGEND_COLUMNS * num_tasks)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    if title:
        figure.suptitle(title)
    return figure
