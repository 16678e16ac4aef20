"""Texts: the support set, the queries, and what they are taken for."""

from collections.abc import Sequence
from textwrap import shorten
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from workers.protocol import Array, Episode
from workers.tasks.words import Words

_MAX_QUERIES = 8
_LINE_INCHES, _WIDTH = 0.2, 56


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[Words],
) -> Figure:
    """The first task: a text of each class, and queries with what was chosen before and after.

    Args:
      outputs: logits [tasks, inner_steps + 1, queries, options].
      inner_steps: the last of them counts as "after". title: "" for none.
      words: of each task.
    """
    said, targets = words[0], episodes.query_targets[0]
    before, after = outputs[0, 0].argmax(-1), outputs[0, inner_steps[-1]].argmax(-1)
    lines: list[tuple[str, str]] = [(title, "black")] if title else []
    lines.append(("Of the support set", "black"))
    known = episodes.support_targets[0]
    for place in _spread(len(known), outputs.shape[-1]):
        option = said.support_options[place][known[place]]
        lines += [(_short(said.support[place]), "0.4"), (f"    is: {_short(option)}", "C0")]
    lines.append(("", "0.4"))
    accuracies = [100 * np.mean(chosen == targets) for chosen in (before, after)]
    lines.append(("Queries: {:.0f} % right before, {:.0f} % after".format(*accuracies), "black"))
    for query in _spread(len(targets), _MAX_QUERIES):
        options = said.query_options[query]
        right = after[query] == targets[query]
        lines.append((_short(said.queries[query]), "black"))
        lines.append((f"    before: {_chosen(options, before[query])}", "0.4"))
        mark, color = ("✓", "C2") if right else ("✗", "C3")
        lines.append((f"    after: {_chosen(options, after[query])} {mark}", color))
        if not right:
            lines.append((f"    is: {_short(options[targets[query]])}", "0.4"))
    return _written(lines)


def _spread(number: int, most: int) -> list[int]:
    """Some of range(number), `most` at most, over all of it."""
    return [int(i) for i in np.linspace(0, number - 1, min(number, most))]


def _chosen(options: Sequence[str], place: int) -> str:
    """A model of one's own may have more outputs than there are options."""
    return _short(options[place]) if place < len(options) else "none of these"


def _short(text: str) -> str:
    return shorten(text, _WIDTH, placeholder=" …") or text[:_WIDTH]


def _written(lines: Sequence[tuple[str, str]]) -> Figure:
    figure = Figure(figsize=(5.0, _LINE_INCHES * (len(lines) + 1)))
    height = 1 / (len(lines) + 1)
    for place, (text, color) in enumerate(lines, start=1):
        style: Any = {"weight": "bold"} if color == "black" and not text.startswith(" ") else {}
        figure.text(0.02, 1 - place * height, text, fontsize=9, color=color or "black", **style)
    return figure
