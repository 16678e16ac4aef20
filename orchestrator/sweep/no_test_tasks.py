"""A task family whose test tasks cannot be had: a sweep chooses by validation alone."""

from typing import Any

from workers.tasks.family import TaskFamily
from workers.wire.protocol import Draw


class WithoutTestTasks:
    """The family, but for its test tasks."""

    def __init__(self, family: TaskFamily):
        self._family = family

    def __getattr__(self, name: str) -> Any:
        return getattr(self._family, name)

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Any:
        """See `TaskFamily.sample`."""
        if draw.split == "test":  # not an assert: python -O must not unlock it
            raise AssertionError("a trial must not see the test tasks")
        return self._family.sample(draw, lo, hi, shots, queries)
