"""The tasks of a table: groups of rows, such as those of a customer, station or subject."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
from numpy.typing import NDArray

from workers.tasks.copies import once_each
from workers.wire.errors import DataError


def numbered(texts: Sequence[str]) -> tuple[list[str], NDArray[np.int64]]:
    """Return the different texts, sorted, and the place of each of `texts` among them.

    As `numpy.unique`, whose array would give each text the room of the longest one.
    """
    names = sorted(set(texts))
    place = {name: i for i, name in enumerate(names)}
    return names, np.fromiter((place[text] for text in texts), np.int64, len(texts))


@dataclass(frozen=True, slots=True)
class RowGroups:
    """Rows by task.

    source: the file.
    names: of the tasks, sorted.
    rows: for each task, its rows by class, int32, ascending; a single part in regression.
    fewest: int64 [tasks], the rows of the task's smallest class.
    classes: sorted names; None in regression.
    unit: the word for a counted row, in messages.
    """

    source: str
    names: list[str]
    rows: list[list[NDArray[np.int32]]]
    fewest: NDArray[np.int64]
    classes: list[str] | None
    unit: str = "row"

    @classmethod
    def of(
        cls,
        source: str,
        task_of_row: Sequence[str],
        class_of_row: NDArray[np.int32] | None,
        classes: list[str] | None,
    ) -> Self:
        """Group the rows of a table."""
        names, task = numbered(task_of_row)
        ways = 1 if classes is None else len(classes)
        cell = task * ways + (0 if class_of_row is None else class_of_row)
        counts = np.bincount(cell, minlength=len(names) * ways)
        order = np.argsort(cell, kind="stable").astype(np.int32)
        parts = np.split(order, np.cumsum(counts)[:-1])
        rows = [parts[i * ways : (i + 1) * ways] for i in range(len(names))]
        fewest = counts.reshape(-1, ways).min(axis=1)
        return cls(source, names, rows, fewest, classes)

    def of_tasks(self, tasks: Iterable[int]) -> NDArray[np.int32]:
        """Return all rows of some tasks, ascending."""
        parts = [part for task in tasks for part in self.rows[task]]
        return np.sort(np.concatenate(parts)) if parts else np.zeros(0, np.int32)

    def names_of(self, rows: NDArray[np.int32]) -> list[str]:
        """Name the task of each of `rows`."""
        own = [np.concatenate(parts) for parts in self.rows]
        known = np.concatenate(own)
        task_of = np.zeros(int(known.max()) + 1, np.int64)
        task_of[known] = np.repeat(np.arange(len(own)), list(map(len, own)))
        return [self.names[int(task)] for task in task_of[rows]]

    def once_each(self, ids: NDArray[np.int64]) -> "RowGroups":
        """Keep the first row of equal ones in each task; `ids`: the content of every row."""
        rows = [[once_each(ids, part) for part in parts] for parts in self.rows]
        fewest = np.array([min(map(len, parts)) for parts in rows], np.int64)
        return replace(self, rows=rows, fewest=fewest, unit="different row")

    def check(self, tasks: NDArray[np.int32], needed: int, remedy: str) -> None:
        """Raise DataError if one of `tasks` has fewer than `needed` rows.

        The message names the smallest task, and ends in `remedy`.
        """
        too_small = int(np.sum(self.fewest[tasks] < needed))
        if not too_small:
            return
        smallest = int(tasks[self.fewest[tasks].argmin()])
        sizes = list(map(len, self.rows[smallest]))
        count = f"{min(sizes)} {self.unit}{'' if min(sizes) == 1 else 's'}"
        of = f" of class {self.classes[int(np.argmin(sizes))]!r}" if self.classes else ""
        raise DataError(
            f"{self.source}: the task {self.names[smallest]!r} has {count}{of}, shots and "
            f"queries need {needed} ({too_small} of {len(tasks)} tasks are too small); {remedy}"
        )
