"""Classification: how often each class is taken for which, before and after adaptation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from workers.protocol import Array, Episode
from workers.tasks.words import Words

_MOST_CLASSES = 20


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[Words] = (),
) -> Figure:
    """Two matrices over the queries of all tasks: rows are true classes, columns predictions.

    Args:
      outputs: logits [tasks, inner_steps + 1, queries, classes].
      inner_steps: the last of them counts as "after".
    """
    number = min(outputs.shape[-1], _MOST_CLASSES)
    steps = [0, inner_steps[-1]]
    figure = Figure(figsize=(8.4, 4.4), layout="constrained")
    for axes, step in zip(figure.subplots(1, 2), steps, strict=True):
        predicted = outputs[:, step].argmax(-1)
        shares = _shares(episodes.query_targets, predicted, number)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        accuracy = np.mean(predicted == episodes.query_targets)
        axes.set_title(f"{'after' if step else 'before'}: {accuracy:.0%} right")
        axes.set_xlabel("predicted class")
        axes.set_xticks(range(number))
        axes.set_yticks(range(number))
        if number <= 10:
            for (row, column), share in np.ndenumerate(shares):
                color = "white" if share > 0.5 else "0.3"
                axes.text(column, row, f"{share:.0%}", ha="center", va="center", color=color)
    figure.axes[0].set_ylabel("true class")
    figure.suptitle(title)
    return figure


def _shares(truth: NDArray[Any], predicted: NDArray[Any], number: int) -> NDArray[Any]:
    """float [classes, classes], rows that sum to 1, or 0 where a class does not occur."""
    counts = np.zeros((number, number))
    kept = (truth < number) & (predicted < number)
    np.add.at(counts, (truth[kept], predicted[kept]), 1)
    return counts / np.maximum(1, counts.sum(1, keepdims=True))
