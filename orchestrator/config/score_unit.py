"""The unit that the scores of a task are counted by: inner steps, or a policy's episodes."""

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from orchestrator.config.schema import MetaConfig


class Unit(NamedTuple):
    """A unit of adaptation: scores are those at inner step 0, 1, ... or in episode 1, 2, ...

    name: of one.
    first: the number of the first row.
    """

    name: str
    first: int

    @property
    def key(self) -> str:
        """The name of its number in JSON."""
        return self.name.replace(" ", "_")

    @property
    def heading(self) -> str:
        """The heading of a column of numbers."""
        return self.name if self.first else f"{self.name}s"

    def label(self, row: int) -> str:
        """Return the number of a row, with what it means for the first one."""
        if row:
            return f"{row + self.first}"
        return f"{self.first} (before)" if not self.first else f"{self.first} (first)"

    def amount(self, row: int) -> str:
        """Return "2 inner steps", or "episode 3"."""
        if self.first:
            return f"{self.name} {row + self.first}"
        return f"{row} {self.name}{'s' * (row != 1)}"

    def legend(self, row: int) -> str:
        """Return "before", "2 steps", or "episode 3"."""
        if self.first:
            return self.amount(row)
        return f"{row} step{'s' * (row != 1)}" if row else "before"

    def when(self, row: int) -> str:
        """Return "after 2 inner steps", or "in episode 3"."""
        return f"{'in' if self.first else 'after'} {self.amount(row)}"

    def shown(self, configured: Iterable[int], last: int) -> list[int]:
        """List the rows that a table shows: the first and those configured, or all episodes."""
        if self.first:
            return list(range(last + 1))
        return sorted({0, *(row for row in configured if row <= last)})


INNER_STEPS = Unit("inner step", 0)
EPISODES = Unit("episode", 1)


def unit_of(config: MetaConfig) -> Unit:
    """Return the unit of a run."""
    return EPISODES if config.algorithm.num_episodes else INNER_STEPS


def unit_in(protocol: Mapping[str, Any]) -> Unit:
    """Return the unit of a protocol."""
    return EPISODES if EPISODES.key in protocol else INNER_STEPS
