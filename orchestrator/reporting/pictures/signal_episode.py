"""Classification of signals: a signal of each class, the queries, and what they are taken for."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from orchestrator.reporting.drawing import written
from orchestrator.reporting.pictures.text_episode import queries_shown
from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Array, Episode

#: It draws the first task alone.
NUM_TASKS = 1
_MAX_QUERIES = 10
_COLUMNS = 5
_SIGNAL_INCHES, _CAPTION_INCHES, _TITLE_INCHES = 0.75, 0.2, 0.4
_MOST_LETTERS = 16
# Of longer signals that many samples are drawn at most: a picture is not wider.
_MOST_SAMPLES = 600


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText] = (),
) -> Figure:
    """Draw the first task: a support signal per class above, queries and predictions below.

    Args:
      outputs: logits [tasks, inner_steps + 1, queries, ways].
      inner_steps: the last of them counts as "after". title: "" for none. words: with the names of
        the classes.
    """
    support, labels = episodes.support_inputs[0], episodes.support_targets[0]
    targets = episodes.query_targets[0]
    before, after = outputs[0, 0].argmax(-1), outputs[0, inner_steps[-1]].argmax(-1)
    shown = np.linspace(0, len(targets) - 1, min(len(targets), _MAX_QUERIES)).astype(int)
    classes = range(int(labels.max()) + 1)
    names = _names(words, outputs.shape[-1])
    heights = [_height(len(classes), 1), _height(len(shown), 3)]
    figure = Figure(figsize=(_COLUMNS * 1.5, sum(heights)), layout="constrained")
    upper, lower = list(figure.subfigures(2, 1, squeeze=False, height_ratios=heights)[:, 0])
    upper.suptitle(f"{title}: support set" if title else "Support set")
    for axes, way in zip(_grid(upper, len(classes)), classes, strict=False):
        _show(axes, support[np.argmax(labels == way)], names[way], "black")
    accuracies = [100 * np.mean(predicted == targets) for predicted in (before, after)]
    right = "{:.0f} % right before, {:.0f} % after".format(*accuracies)
    lower.suptitle(f"{queries_shown(len(shown), len(targets))}: {right}", fontsize=10)
    for axes, query in zip(_grid(lower, len(shown)), shown, strict=False):
        right = after[query] == targets[query]
        mark, color = ("✓", "C2") if right else ("✗", "C3")
        caption = "\n".join(
            [
                f"is {names[int(targets[query])]}",
                f"before: {names[before[query]]}",
                f"after: {names[after[query]]} {mark}",
            ]
        )
        _show(axes, episodes.query_inputs[0][query], caption, color)
    return figure


def _names(words: Sequence[DisplayText], outputs: int) -> list[str]:
    """Name the outputs; a user's model may have more than there are classes."""
    told = list(words[0].query_options[0]) if words and words[0].query_options else []
    return [*map(_short, told), *(f"class {i}" for i in range(len(told), outputs))]


def _short(name: str) -> str:
    text = written(name)
    return text if len(text) <= _MOST_LETTERS else f"…{text[1 - _MOST_LETTERS :]}"


def _height(number: int, lines: int) -> float:
    """Inches of so many signals in rows, under captions of so many lines."""
    return _TITLE_INCHES + -(-number // _COLUMNS) * (_SIGNAL_INCHES + lines * _CAPTION_INCHES)


def _grid(figure: Any, number: int) -> Sequence[Axes]:
    """Empty axes, in reading order."""
    grid = figure.subplots(-(-number // _COLUMNS), _COLUMNS, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    return list(grid)


def _show(axes: Axes, signal: Array, caption: str, color: str) -> None:
    samples = np.arange(min(len(signal), _MOST_SAMPLES))
    for channel in range(signal.shape[-1]):
        axes.plot(samples, signal[samples, channel], color=f"C{channel % 10}", linewidth=0.6)
    axes.set_title(caption, fontsize=8, color=color)
