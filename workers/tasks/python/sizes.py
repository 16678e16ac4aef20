"""How many examples a user's function really gives, whatever it was asked for."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from workers.tasks.python.examples import Layout
from workers.wire.protocol import Array, Episode


class SetSize(NamedTuple):
    """The size of a support or query set.

    number: examples of a task.
    stated: what a protocol says: examples of each class, or of a task without classes; "7 in all"
      where classes differ in number.
    """

    number: int
    stated: int | str

    @classmethod
    def of(cls, targets: Array, layout: Layout) -> "SetSize":
        """Measure the targets [tasks, examples, ...] of some tasks."""
        number = targets.shape[1]
        if not layout.classifies:
            return cls(number, number)
        counts = [np.bincount(task, minlength=layout.outputs) for task in targets]
        of_each = number // layout.outputs
        return cls(number, of_each if np.all(np.equal(counts, of_each)) else f"{number} in all")


class Sizes:
    """The sizes of both sets, support first, for the shots and queries that are asked for."""

    def __init__(self, draw: Callable[[int, int], Episode], layout: Layout):
        """Measure nothing yet.

        Args:
          draw: draws a few tasks of given shots and queries.
        """
        self._draw, self._layout = draw, layout
        self._known: dict[tuple[int, int], tuple[SetSize, SetSize]] = {}

    def of(self, shots: int, queries: int) -> tuple[SetSize, SetSize]:
        """Return the sizes; draw tasks the first time. Raises what `draw` does."""
        asked = shots, queries
        if asked not in self._known:
            self.learn(shots, queries, self._draw(shots, queries))
        return self._known[asked]

    def learn(self, shots: int, queries: int, episode: Episode) -> None:
        """Note the sizes of tasks that were drawn with these shots and queries."""
        targets = episode.support_targets, episode.query_targets
        support, query = (SetSize.of(each, self._layout) for each in targets)
        self._known[shots, queries] = support, query
