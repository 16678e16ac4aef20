"""The picture of a text classification: the support set, the queries and their predictions."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from orchestrator.reporting.pictures.lines import Line, drawn, short
from workers.tasks.display_text import DisplayText
from workers.wire.protocol import Array, Episode

#: It draws the first task alone.
NUM_TASKS = 1
_MAX_QUERIES = 8
_WIDTH = 56


def draw(
    episodes: Episode,
    outputs: Array,
    inner_steps: Sequence[int],
    title: str,
    words: Sequence[DisplayText],
) -> Figure:
    """Draw the lines of `lines` below `title`, "" for none."""
    above = [Line(title, "title")] if title else []
    return drawn([*above, *lines(episodes, outputs, inner_steps, words)])


def lines(
    episodes: Episode, outputs: Array, inner_steps: Sequence[int], words: Sequence[DisplayText]
) -> list[Line]:
    """Show the first task: a text of each class, and queries with predictions before and after.

    Args:
      outputs: logits [tasks, inner_steps + 1, queries, options].
      inner_steps: the last of them counts as "after".
      words: the words of each task.
    """
    task, targets = words[0], episodes.query_targets[0]
    before, after = outputs[0, 0].argmax(-1), outputs[0, inner_steps[-1]].argmax(-1)
    text = [Line("Of the support set", "title")]
    labels = episodes.support_targets[0]
    for i in _spread(len(labels), outputs.shape[-1]):
        option = task.support_options[i][labels[i]]
        text += [Line(_short(task.support[i])), Line(f"is: {_short(option)}", "after", True)]
    shown = _spread(len(targets), _MAX_QUERIES)
    accuracies = [100 * np.mean(chosen == targets) for chosen in (before, after)]
    right = "{:.0f} % right before, {:.0f} % after".format(*accuracies)
    text += [Line(""), Line(f"{queries_shown(len(shown), len(targets))}: {right}", "title")]
    for query in shown:
        text += _query(task, query, int(targets[query]), int(before[query]), int(after[query]))
    return text


def queries_shown(shown: int, number: int) -> str:
    """Name the queries of a share of right answers, of which not all may be shown."""
    return "Queries" if shown == number else f"All {number} queries, of which {shown} are shown"


def _query(task: DisplayText, query: int, target: int, before: int, after: int) -> list[Line]:
    options = task.query_options[query]
    above = [
        Line(_short(task.queries[query])),
        Line(f"before: {_chosen(options, before)}", "muted", True),
    ]
    if after == target:
        return [*above, Line(f"after: {_chosen(options, after)} ✓", "right", True)]
    return [
        *above,
        Line(f"after: {_chosen(options, after)} ✗", "wrong", True),
        Line(f"is: {_short(options[target])}", "muted", True),
    ]


def _spread(number: int, most: int) -> list[int]:
    """Choose at most `most` numbers of range(number), evenly spread."""
    return [int(i) for i in np.linspace(0, number - 1, min(number, most))]


def _chosen(options: Sequence[str], index: int) -> str:
    """Return the chosen option; a user's model may have more outputs than there are options."""
    return _short(options[index]) if index < len(options) else "none of these"


def _short(text: str) -> str:
    return short(text, _WIDTH)
