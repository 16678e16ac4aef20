"""Checks of classes and labels that a user's function returns."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class BadTaskError(ValueError):
    """A task is not as tasks have to be. task: its index in its draw. what: is wrong with it."""

    def __init__(self, task: int, what: str):
        super().__init__(what)
        self.task, self.what = task, what


def count_classes(labels: NDArray[Any]) -> int:
    """Count the classes of the first task's support set.

    Raises:
      BadTaskError: they are not 0 .. n - 1, or fewer than two.
    """
    if labels.dtype.kind not in "iub":
        raise BadTaskError(0, no_classes("support y", labels))
    there = np.unique(labels)
    if len(there) < 2:
        raise BadTaskError(
            0,
            f"has one class only in its support set (y = {there[0]:d}); a task needs two classes "
            "or more, or y of floats where it is a regression",
        )
    if not np.array_equal(there, np.arange(len(there))):
        told = ", ".join(f"{label:d}" for label in there[:5]) + (", ..." if len(there) > 5 else "")
        raise BadTaskError(
            0,
            f"has the labels {told} in its support set, not 0 to {len(there) - 1}: number the "
            "classes of each task from 0, or give y of floats where it is a regression",
        )
    return len(there)


def no_classes(called: str, labels: NDArray[Any]) -> str:
    """Say that y of such a type is no classes."""
    return (
        f"has a {called} of {labels.dtype}, not of classes 0, 1, ...; return integers, such as "
        "y.astype(int)"
    )


def check_binary(values: NDArray[np.float32], tasks: Sequence[int], called: str) -> None:
    """Check that all labels [tasks, examples, labels] are 0 or 1.

    Raises:
      BadTaskError: one is not.
    """
    wrong = (values != 0) & (values != 1)
    if wrong.any():
        place = np.argwhere(wrong)[0]
        raise BadTaskError(
            tasks[int(place[0])],
            f"has {values[tuple(place)]:g} in its {called}, example {place[1]}; labels are 0 or 1 "
            "(task.loss = 'binary_cross_entropy')",
        )


def check_labels(
    support: NDArray[np.int32], query: NDArray[np.int32], tasks: Sequence[int], classes: int
) -> None:
    """Check that 0 .. classes - 1 are in each support set, and nothing else anywhere.

    Raises:
      BadTaskError: one is missing, or there is another.
    """
    for called, labels in (("support y", support), ("query y", query)):
        wrong = (labels < 0) | (labels >= classes)
        if wrong.any():
            place = np.argwhere(wrong)[0]
            raise BadTaskError(
                tasks[int(place[0])],
                f"has the label {labels[tuple(place)]} in its {called}; tasks have {classes} "
                f"classes, 0 to {classes - 1}",
            )
    there = (support[:, :, None] == np.arange(classes, dtype=np.int32)).any(axis=1)
    if not there.all():
        place = np.argwhere(~there)[0]
        raise BadTaskError(
            tasks[int(place[0])],
            f"has no example of class {place[1]} in its support set; classes are 0 to "
            f"{classes - 1}, each of them in every support set: number them anew in each task",
        )
