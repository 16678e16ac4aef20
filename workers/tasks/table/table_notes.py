"""Warnings about a table, for users to read before training on it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tasks.copies import Ids, content_ids
from workers.tasks.listing import listed
from workers.tasks.table.row_groups import RowGroups

# A larger ratio of two tasks' spreads is reported: that of pascal and bar is 100 000.
_MOST_RATIO = 100
# A column of so few different whole numbers, each in several rows, may hold classes.
_MOST_CLASSES = 10
_ROWS_EACH = 5


def row_ids(inputs: NDArray[Any], targets: NDArray[Any]) -> Ids:
    """Return an id of the content, features and target, of each prepared row."""
    parts = [np.ascontiguousarray(array.reshape(len(array), -1) + 0) for array in (inputs, targets)]
    return content_ids(np.column_stack([part.view(np.uint32) for part in parts]))


def unit_notes(
    groups: RowGroups, names: Sequence[str], values: NDArray[np.float64], what: str
) -> list[str]:
    """Report columns whose spread differs between tasks as if their units differed.

    For a feature the mean size must differ too: a small spread within a task may be right.

    Args:
      values: [rows, columns]. what: "target" or "feature".
    """
    spreads, sizes = _by_task(groups, values)
    notes = []
    for place, name in enumerate(names):
        usable = np.flatnonzero(np.isfinite(spreads[:, place]) & (spreads[:, place] > 0))
        if len(usable) < 2:
            continue
        order = usable[np.argsort(spreads[usable, place])]
        low, high = int(order[0]), int(order[-1])
        ratio = spreads[high, place] / spreads[low, place]
        if what == "feature" and sizes[high, place] < _MOST_RATIO / 2 * sizes[low, place]:
            continue
        if ratio > _MOST_RATIO:
            notes.append(
                f"the {what} {name!r} varies {ratio:.2g} times as much in one task as in another "
                f"(standard deviation {spreads[low, place]:.2g} in {groups.names[low]!r}, "
                f"{spreads[high, place]:.2g} in {groups.names[high]!r}): are their units the same?"
            )
    return notes


def class_note(name: str, values: NDArray[np.float64]) -> list[str]:
    """Report a target that is predicted as a number but may be meant as a class."""
    different = np.unique(values)
    is_few = len(different) <= min(_MOST_CLASSES, len(values) / _ROWS_EACH)
    if not is_few or (different != np.round(different)).any():
        return []
    shown = listed([f"{value:g}" for value in different]).replace("'", "")
    return [
        f"the target {name!r} holds {len(different)} different whole numbers ({shown}), and is "
        "predicted as a number; if they are classes: task.target=class (else task.target=value)"
    ]


def _by_task(
    groups: RowGroups, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Measure standard deviation and mean size of each column in each task: [tasks, columns]."""
    spreads, sizes = [], []
    for parts in groups.rows:
        of_task = values[np.concatenate(parts)]
        finite = np.isfinite(of_task)
        count = np.maximum(1, finite.sum(axis=0))
        filled = np.where(finite, of_task, 0)
        mean = filled.sum(axis=0) / count
        spread = np.sqrt((np.where(finite, of_task - mean, 0) ** 2).sum(axis=0) / count)
        # The deviation of equal values is a rounding error, not a spread.
        low = np.where(finite, of_task, np.inf).min(axis=0)
        high = np.where(finite, of_task, -np.inf).max(axis=0)
        spreads.append(np.where(low == high, 0.0, spread))
        sizes.append(np.abs(filled).sum(axis=0) / count)
    return np.array(spreads), np.array(sizes)
