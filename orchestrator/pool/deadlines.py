"""Deadlines after which a block is run a second time on another actor."""

from collections import deque
from collections.abc import Hashable
from statistics import median

_REMEMBERED = 64
_SLOW = 4.0


class Deadlines:
    """Deadlines of calls: a multiple of the median time per task of calls of the same kind.

    Calls that compiled are measured apart from the others of their kind.
    """

    def __init__(self, floor_s: float, unknown_s: float):
        """Set the limits.

        Args:
          floor_s: the shortest deadline.
          unknown_s: the deadline of a kind that was not measured yet.
        """
        self._floor_s, self._unknown_s = floor_s, unknown_s
        self._measured: dict[tuple[Hashable, bool], deque[float]] = {}
        self._usual: dict[tuple[Hashable, bool], float] = {}

    def note(self, kind: Hashable, compiling: bool, num_tasks: int, seconds: float) -> None:
        """Record that a call of `kind` over `num_tasks` tasks took `seconds`."""
        key = (kind, compiling)
        measured = self._measured.setdefault(key, deque(maxlen=_REMEMBERED))
        measured.append(seconds / num_tasks)
        self._usual.pop(key, None)

    def limit_s(
        self, kind: Hashable, compiling: bool, num_tasks: int, unknown_s: float | None = None
    ) -> float:
        """Return the deadline of a call, in seconds from its start.

        Args:
          unknown_s: the deadline if its kind was not measured yet; None: the usual one.
        """
        key = (kind, compiling)
        if key not in self._measured:
            return self._unknown_s if unknown_s is None else unknown_s
        if key not in self._usual:
            self._usual[key] = median(self._measured[key])
        return max(self._floor_s, _SLOW * self._usual[key] * num_tasks)
