"""The reader for policies, which make their own episodes: there are no examples to read."""

from typing import Any, NoReturn

from orchestrator.adaptation.readers.reader import Columns, Reader, Role
from workers.settings.user_task_shapes import UserTaskShapes


class NoReader(Reader):
    """A reader that refuses all examples."""

    def __init__(self, task: Any, shapes: UserTaskShapes):
        self._task, self._shapes = task, shapes

    def read(self, source: str, role: Role, columns: Columns) -> NoReturn:
        """Raise ValueError: a policy takes no examples."""
        raise self._refusal(f"--{role} {source}: ")

    def inputs(self, values: Any) -> NoReturn:
        """Raise ValueError: a policy takes no examples."""
        raise self._refusal("")

    def _refusal(self, what: str) -> ValueError:
        return ValueError(
            f"{what}task.kind = {self._task.kind!r} has environments, in which a policy makes its "
            "own episodes, and takes no examples; give it an environment "
            "(metatrain adapt-policy, Learner.adapt_to)"
        )
