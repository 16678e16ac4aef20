"""The function that builds a task family from its settings."""

from workers.settings.task import AnyTask, Progress
from workers.tasks.family import TaskFamily


def _silent(done: int, total: int) -> None:
    """Ignore the progress."""


def make_family(settings: AnyTask, progress: Progress = _silent) -> TaskFamily:
    """Open the family's data; `progress(done, total)` is called during long work."""
    return settings.open(progress)
