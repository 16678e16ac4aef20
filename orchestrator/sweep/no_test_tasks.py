"""A task family without its test tasks: a sweep chooses by validation alone."""

from typing import Any

from workers.settings.section import Size
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Draw


class WithoutTestTasks:
    """A task family that refuses to sample test tasks."""

    def __init__(self, family: TaskFamily):
        self._family = family

    def __getattr__(self, name: str) -> Any:
        return getattr(self._family, name)

    def sample(self, draw: Draw, lo: int, hi: int, shots: Size, queries: Size, **ways: Size) -> Any:
        """Sample tasks; see `TaskFamily.sample`."""
        if draw.split == "test":  # not an assert, which python -O would remove
            raise AssertionError("a trial must not see the test tasks")
        return self._family.sample(draw, lo, hi, shots, queries, **ways)
