"""Texts: the support set, the queries, and what they are taken for."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from orchestrator.reporting.pictures.lines import Line, drawn, short
from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Array, Episode

_MAX_QUERIES = 8
_WIDTH = 56


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText],
) -> Figure:
    """As `lines`, below `title`, "" for none."""
    above = [Line(title, "title")] if title else []
    return drawn([*above, *lines(episodes, outputs, inner_steps, words)])


def lines(
    episodes: Episode, outputs: Array, inner_steps: Sequence[int], words: Sequence[DisplayText]
) -> list[Line]:
    """The first task: a text of each class, and queries with what was chosen before and after.

    Args:
      outputs: logits [tasks, inner_steps + 1, queries, options].
      inner_steps: the last of them counts as "after". words: of each task.
    """
    said, targets = words[0], episodes.query_targets[0]
    before, after = outputs[0, 0].argmax(-1), outputs[0, inner_steps[-1]].argmax(-1)
    found = [Line("Of the support set", "title")]
    known = episodes.support_targets[0]
    for place in _spread(len(known), outputs.shape[-1]):
        option = said.support_options[place][known[place]]
        found += [Line(_short(said.support[place])), Line(f"is: {_short(option)}", "after", True)]
    shown = _spread(len(targets), _MAX_QUERIES)
    accuracies = [100 * np.mean(chosen == targets) for chosen in (before, after)]
    right = "{:.0f} % right before, {:.0f} % after".format(*accuracies)
    found += [Line(""), Line(f"{queries_shown(len(shown), len(targets))}: {right}", "title")]
    for query in shown:
        found += _query(said, query, int(targets[query]), int(before[query]), int(after[query]))
    return found


def queries_shown(shown: int, number: int) -> str:
    """What a share of right answers is of, where not all of them are seen."""
    return "Queries" if shown == number else f"All {number} queries, of which {shown} are shown"


def _query(said: DisplayText, query: int, target: int, before: int, after: int) -> list[Line]:
    options = said.query_options[query]
    found = [
        Line(_short(said.queries[query])),
        Line(f"before: {_chosen(options, before)}", "muted", True),
    ]
    if after == target:
        return [*found, Line(f"after: {_chosen(options, after)} ✓", "right", True)]
    return [
        *found,
        Line(f"after: {_chosen(options, after)} ✗", "wrong", True),
        Line(f"is: {_short(options[target])}", "muted", True),
    ]


def _spread(number: int, most: int) -> list[int]:
    """Some of range(number), `most` at most, over all of it."""
    return [int(i) for i in np.linspace(0, number - 1, min(number, most))]


def _chosen(options: Sequence[str], place: int) -> str:
    """A model of one's own may have more outputs than there are options."""
    return _short(options[place]) if place < len(options) else "none of these"


def _short(text: str) -> str:
    return short(text, _WIDTH)
