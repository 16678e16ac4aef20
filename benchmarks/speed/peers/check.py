"""Whether a peer computes the same outer gradients as ours.

In float32 a pre-activation near zero may fall on either side of a ReLU's kink, by rounding alone,
and change a task's gradient by some percent (inner Adam, whose first step is the sign of the inner
gradient, likewise). That happens to about every third task of conv4, in every framework, ours
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
    """Relative to ours, in norm: of the task that agrees best, and of the sum over all tasks."""

    alone: float
    total: float

    @property
    def small(self) -> bool:
        """Whether this is the same gradient."""
        return self.alone < LIMIT_ALONE and self.total < LIMIT_SUM

    def __str__(self) -> str:
        """For a line of output."""
        return f"relative error {self.alone:.0e} (best task), {self.total:.0e} (sum)"


def gradients(problem: Problem, flat_sum: Callable[[Episodes], Any]) -> Gradients:
    """Both, by the function that is timed.

    Args:
      flat_sum: episodes -> the sum of their outer gradients, in the order and layout of ours.
    """
    tasks = range(min(NUM_ALONE, problem.num_tasks))
    return Gradients(
        flat_sum(problem.episodes),
        [flat_sum(problem.alone(task)) / problem.num_tasks for task in tasks],
    )


def errors(ours: Sequence[Gradients], theirs: Sequence[Gradients]) -> Errors:
    """Compare; both lists are of a side's processes, whose tasks follow one another.

    A single process knows the first tasks only, which are the first process's of the other side.
    """
    pairs = [
        pair
        for x, y in zip(ours, theirs, strict=False)
        for pair in zip(x.alone, y.alone, strict=True)
    ]
    total = sum(each.total for each in ours), sum(each.total for each in theirs)
    return Errors(min(_error(*pair) for pair in pairs), _error(*total))


def _error(ours: Any, theirs: Any) -> float:
    return float(np.linalg.norm(theirs - ours) / np.linalg.norm(ours))
