"""The picture of a regression with one input: support, truth, and fits by inner step."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Array, Episode

_LEGEND_COLUMNS = 3  # for each task


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText] = (),
) -> Figure:
    """Draw a panel for each task.

    Args:
      outputs: [tasks, inner_steps + 1, queries, 1] at episodes.query_inputs, which are sorted.
      inner_steps: the steps to draw beside step 0.
      title: "" for none.
    """
    num_tasks = len(outputs)
    figure = Figure(figsize=(4.2 * num_tasks, 3.6), layout="constrained")
    for task, axes in enumerate(figure.subplots(1, num_tasks, squeeze=False)[0]):
        x = episodes.query_inputs[task, :, 0]
        axes.plot(x, episodes.query_targets[task, :, 0], color="0.6", linewidth=4, label="truth")
        axes.plot(x, outputs[task, 0, :, 0], "--", color="C3", label="before")
        for i, step in enumerate(inner_steps):
            shade = 0.3 + 0.7 * (i + 1) / len(inner_steps)
            plural = "s" if step > 1 else ""
            style = {"color": "C0", "alpha": shade, "linewidth": 1 + shade}
            axes.plot(x, outputs[task, step, :, 0], label=f"{step} step{plural}", **style)
        support = episodes.support_inputs[task, :, 0], episodes.support_targets[task, :, 0]
        axes.plot(*support, "^", color="C1", markersize=8, label="support")
        axes.set_xlabel("x")
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("y")
    handles, labels = figure.axes[0].get_legend_handles_labels()
    columns = min(len(labels), _LEGEND_COLUMNS * num_tasks)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    if title:
        figure.suptitle(title)
    return figure
