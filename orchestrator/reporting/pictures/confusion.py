"""The confusion matrix of a classification, before and after adaptation."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from orchestrator.text.plain_text import printable, shortened
from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Array, Episode

_MOST_CLASSES = 20
# Most letters of a name; most names that fit side by side without a slant.
_WIDTH, _LEVEL = 12, 4
_INCHES, _FULL_POINTS = 4.2, 150.0  # width of the panel; diameters of full discs in a row


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText] = (),
) -> Figure:
    """Draw a row for each true class; a disc's area is the share predicted as its column's class.

    Args:
      outputs: logits [tasks, inner_steps + 1, queries, classes].
      inner_steps: the last of them counts as "after".
      title: "" for none.
      words: their options are the classes' names.
    """
    number = min(outputs.shape[-1], _MOST_CLASSES)
    targets = episodes.query_targets
    before, after = (outputs[:, step].argmax(-1) for step in (0, inner_steps[-1]))
    figure = Figure(figsize=(_INCHES, _INCHES + 0.6), layout="constrained")
    axes = figure.subplots()
    _discs(axes, _shares(targets, after, number), color="C0", linewidths=0)
    _discs(axes, _shares(targets, before, number), facecolors="none", edgecolors="C3")
    steps = f"{inner_steps[-1]} step{'s' if inner_steps[-1] > 1 else ''}"
    axes.plot([], [], "o", color="C3", markerfacecolor="none", label="before")
    axes.plot([], [], "o", color="C0", label=f"after {steps}")
    names = words[0].query_options[0] if words else range(number)
    labels = [shortened(printable(str(name)), _WIDTH) for name in names][:number]
    slant: dict[str, Any] = {"rotation": 40, "ha": "right"} if number > _LEVEL else {}
    axes.set_xticks(range(number), labels, **slant)
    axes.set_yticks(range(number), labels)
    axes.set_xlim(-0.5, number - 0.5)
    axes.set_ylim(number - 0.5, -0.5)
    axes.set_xlabel("taken for")
    axes.set_ylabel("is")
    right = [100 * np.mean(predicted == targets) for predicted in (before, after)]
    summary = "{:.0f} % right before, {:.0f} % after".format(*right)
    axes.set_title(f"{title}: {summary}" if title else summary, fontsize=10)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    return figure


def _discs(axes: Axes, shares: NDArray[Any], **style: Any) -> None:
    rows, columns = np.indices(shares.shape)
    full = (_FULL_POINTS / len(shares)) ** 2
    axes.scatter(columns.ravel(), rows.ravel(), full * shares.ravel(), **style)


def _shares(truth: NDArray[Any], predicted: NDArray[Any], number: int) -> NDArray[Any]:
    """Return the confusion matrix [classes, classes]; rows sum to 1, or 0 for an absent class."""
    counts = np.zeros((number, number))
    kept = (truth < number) & (predicted < number)
    np.add.at(counts, (truth[kept], predicted[kept]), 1)
    return counts / np.maximum(1, counts.sum(1, keepdims=True))
