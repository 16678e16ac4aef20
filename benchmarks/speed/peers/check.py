"""The check that a peer computes the same outer gradients as metatrain.

In float32 a pre-activation near zero may fall on either side of a ReLU's kink, by rounding alone,
and change a task's gradient by some percent (inner Adam, whose first step is the sign of the inner
gradient, likewise). That happens to about every third task of conv4, in every framework, metatrain
too; in float64 they agree to 1e-12. So tasks are compared one by one: on the task where it is
smallest, the error is that of the mathematics. A false second derivative is false on every task.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from peers.problem import Episodes, Problem
from workers.wire.protocol import Vector

#: Tasks of each process that are compared one by one.
NUM_ALONE = 4
#: Largest error, relative in norm, of the best of these tasks, and of the sum over all.
LIMIT_ALONE, LIMIT_SUM = 3e-4, 0.1


class Gradients(NamedTuple):
    """Flat outer gradients: the sum over a process's tasks, and those of its first tasks."""

    total: Vector
    alone: Sequence[Vector]


class Errors(NamedTuple):
    """Errors relative to metatrain, in norm: of the best task, and of the sum over all tasks."""

    alone: float
    total: float

    @property
    def small(self) -> bool:
        """Whether the gradients are the same."""
        return self.alone < LIMIT_ALONE and self.total < LIMIT_SUM

    def __str__(self) -> str:
        """Describe the errors in one line."""
        return f"relative error {self.alone:.0e} (best task), {self.total:.0e} (sum)"


def gradients(problem: Problem, flat_sum: Callable[[Episodes], Any]) -> Gradients:
    """Compute the gradients to check by the function that is timed.

    Args:
      flat_sum: episodes -> the sum of their outer gradients, in metatrain's order and layout.
    """
    tasks = range(min(NUM_ALONE, problem.num_tasks))
    return Gradients(
        flat_sum(problem.episodes),
        [flat_sum(problem.alone(task)) / problem.num_tasks for task in tasks],
    )


def errors(ours: Sequence[Gradients], theirs: Sequence[Gradients]) -> Errors:
    """Compare two sides; each list has a side's processes, whose tasks follow one another.

    A single process compares only its first tasks, with those of the other side's first process.
    """
    pairs = [
        pair
        for x, y in zip(ours, theirs, strict=False)
        for pair in zip(x.alone, y.alone, strict=True)
    ]
    total = sum(part.total for part in ours), sum(part.total for part in theirs)
    return Errors(min(_error(*pair) for pair in pairs), _error(*total))


def _error(ours: Any, theirs: Any) -> float:
    return float(np.linalg.norm(theirs - ours) / np.linalg.norm(ours))
