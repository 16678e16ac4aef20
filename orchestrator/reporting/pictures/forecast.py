"""Forecasts of series: what was shown, what came next, and what was forecast before and after."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Array, Episode

_QUERIES = 3
_LEGEND_COLUMNS = 2  # for each task
# So many samples of a window are drawn for each one that is forecast, at most, and at least.
_SHOWN_EACH, _SHOWN_LEAST = 4, 32


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText] = (),
) -> Figure:
    """Draw a column per task: a support window and what followed it above, queries below.

    Windows are in units of the model, in which targets are samples of one of their channels.

    Args:
      outputs: [tasks, inner_steps + 1, queries, horizon].
      inner_steps: the last of them counts as "after". title: "" for none.
    """
    num_tasks, queries = len(outputs), outputs.shape[2]
    shown = np.linspace(0, queries - 1, min(queries, _QUERIES)).astype(int)
    rows = 1 + len(shown)
    figure = Figure(figsize=(4.2 * num_tasks, 0.6 + 1.2 * rows), layout="constrained")
    steps = f"{inner_steps[-1]} step{'s' if inner_steps[-1] > 1 else ''}"
    grid = figure.subplots(rows, num_tasks, squeeze=False)
    for task in range(num_tasks):
        last = len(episodes.support_inputs[task]) - 1
        axes = grid[0, task]
        _context(axes, episodes.support_inputs[task, last], episodes.support_targets[task, last])
        axes.set_title("support", fontsize=9)
        for axes, query in zip(grid[1:, task], shown, strict=True):
            truth = episodes.query_targets[task, query]
            _context(axes, episodes.query_inputs[task, query], truth)
            at = np.arange(len(truth))
            style = {"linewidth": 1, "markersize": 4}
            before, after = (outputs[task, step, query] for step in (0, inner_steps[-1]))
            axes.plot(at, before, "x--", color="C3", label="before", **style)
            axes.plot(at, after, "o-", color="C0", label=f"after {steps}", **style)
        grid[1, task].set_title("queries", fontsize=9)
        grid[-1, task].set_xlabel("samples from the forecast on")
    handles, labels = grid[1, 0].get_legend_handles_labels()
    columns = min(len(labels), _LEGEND_COLUMNS * num_tasks)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
    if title:
        figure.suptitle(title)
    return figure


def _context(axes: Axes, window: Array, truth: Array) -> None:
    """Draw the end of a window, all channels, and what followed it."""
    number = min(len(window), max(_SHOWN_LEAST, _SHOWN_EACH * len(truth)))
    at = np.arange(-number, 0)
    for channel in range(window.shape[-1]):
        name = "window" if channel == 0 else None
        axes.plot(at, window[-number:, channel], color="0.6", linewidth=1, label=name)
    axes.plot(np.arange(len(truth)), truth, "^-", color="C1", linewidth=1, label="truth")
    axes.axvline(-0.5, color="0.88", linewidth=1)
    axes.spines[["top", "right"]].set_visible(False)
