"""From a family's settings to the family."""

from workers.settings.task import AnyTask, Progress
from workers.tasks.family import TaskFamily


def _silent(done: int, total: int) -> None:
    """Nobody watches."""


def make_family(settings: AnyTask, progress: Progress = _silent) -> TaskFamily:
    """Open the family's data; `progress(done, total)` follows what takes long."""
    return settings.open(progress)
