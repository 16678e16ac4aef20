"""What people should know of a table before they train on it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tasks.copies import Ids, content_ids
from workers.tasks.listing import listed
from workers.tasks.table.row_groups import RowGroups

# Spreads of tasks that differ by more are told: those of bar and pascal differ by 100 000.
_MOST_RATIO = 100
# A column of so few whole numbers, each there several times, may be one of classes.
_MOST_CLASSES = 10
_ROWS_EACH = 5


def row_ids(inputs: NDArray[Any], targets: NDArray[Any]) -> Ids:
    """Of each prepared row, what stands for its content: features and target."""
    parts = [np.ascontiguousarray(each.reshape(len(each), -1) + 0) for each in (inputs, targets)]
    return content_ids(np.column_stack([part.view(np.uint32) for part in parts]))


def unit_notes(
    groups: RowGroups, names: Sequence[str], values: NDArray[np.float64], what: str
) -> list[str]:
    """Columns [rows, columns] whose spread differs from task to task as that of other units does.

    Of a feature the size must differ too: it may hardly vary within a task, and be right.

    Args:
      what: "target" or "feature".
    """
    spreads, sizes = _by_task(groups, values)
    notes = []
    for place, name in enumerate(names):
        known = np.flatnonzero(np.isfinite(spreads[:, place]) & (spreads[:, place] > 0))
        if len(known) < 2:
            continue
        order = known[np.argsort(spreads[known, place])]
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
    """Whether a target that is predicted as a number may be meant as a class."""
    different = np.unique(values)
    few = len(different) <= min(_MOST_CLASSES, len(values) / _ROWS_EACH)
    if not few or (different != np.round(different)).any():
        return []
    shown = listed([f"{value:g}" for value in different]).replace("'", "")
    return [
        f"the target {name!r} holds {len(different)} different whole numbers ({shown}), and is "
        "predicted as a number; if they are classes: task.target=class (else task.target=value)"
    ]


def _by_task(
    groups: RowGroups, values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Standard deviation and mean size of each column in each task: [tasks, columns]."""
    spreads, sizes = [], []
    for parts in groups.rows:
        own = values[np.concatenate(parts)]
        known = np.isfinite(own)
        count = np.maximum(1, known.sum(axis=0))
        filled = np.where(known, own, 0)
        mean = filled.sum(axis=0) / count
        spread = np.sqrt((np.where(known, own - mean, 0) ** 2).sum(axis=0) / count)
        # Equal values leave a rounding error, which is no spread.
        low = np.where(known, own, np.inf).min(axis=0)
        high = np.where(known, own, -np.inf).max(axis=0)
        spreads.append(np.where(low == high, 0.0, spread))
        sizes.append(np.abs(filled).sum(axis=0) / count)
    return np.array(spreads), np.array(sizes)
