"""The picture of an image classification: the support set, the queries and their predictions."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.reporting.pictures.text_episode import queries_shown
from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Array, Episode

#: It draws the first task alone.
NUM_TASKS = 1
_MAX_QUERIES = 10
_COLUMNS = 5  # still legible on a phone
_IMAGE_INCHES, _CAPTION_INCHES, _TITLE_INCHES = 0.85, 0.28, 0.4


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText] = (),
) -> Figure:
    """Draw the first task: one support image per class above, queries with predictions below.

    Args:
      outputs: logits [tasks, inner_steps + 1, queries, ways].
      inner_steps: the last of them counts as "after".
      title: "" for none.
    """
    support, labels = episodes.support_inputs[0], episodes.support_targets[0]
    targets = episodes.query_targets[0]
    before, after = outputs[0, 0].argmax(-1), outputs[0, inner_steps[-1]].argmax(-1)
    shown = np.linspace(0, len(targets) - 1, min(len(targets), _MAX_QUERIES)).astype(int)
    classes = range(int(labels.max()) + 1)
    heights = [_height(len(classes), 1), _height(len(shown), 3)]
    figure = Figure(figsize=(_COLUMNS * 1.0, sum(heights)), layout="constrained")
    upper, lower = list(figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0])
    upper.suptitle(f"{title}: support set" if title else "Support set")
    for axes, way in zip(_grid(upper, len(classes)), classes, strict=False):
        _show(axes, support[np.argmax(labels == way)], f"class {way}", "black")
    accuracies = [100 * np.mean(predicted == targets) for predicted in (before, after)]
    right = "{:.0f} % right before, {:.0f} % after".format(*accuracies)
    lower.suptitle(f"{queries_shown(len(shown), len(targets))}: {right}", fontsize=10)
    for axes, query in zip(_grid(lower, len(shown)), shown, strict=False):
        right = after[query] == targets[query]
        mark, color = ("✓", "C2") if right else ("✗", "C3")
        caption = f"is {targets[query]:g}\nbefore: {before[query]}\nafter: {after[query]} {mark}"
        _show(axes, episodes.query_inputs[0][query], caption, color)
    return figure


def _height(number: int, lines: int) -> float:
    """Return the height in inches of `number` images in rows, under captions of `lines` lines."""
    return _TITLE_INCHES + -(-number // _COLUMNS) * (_IMAGE_INCHES + lines * _CAPTION_INCHES * 0.7)


def _grid(figure: Any, number: int) -> Sequence[Axes]:
    """Make empty axes, in reading order."""
    grid = figure.subplots(-(-number // _COLUMNS), _COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    return grid


def _show(axes: Axes, image: Array, caption: str, color: str) -> None:
    pixels = image.squeeze(-1) if image.shape[-1] == 1 else image
    axes.imshow(pixels, cmap="gray_r", interpolation="none")
    axes.set_title(caption, fontsize=10, color=color)
