"""Policies learn from what they do: there are no examples to read."""

from typing import Any, NoReturn

from orchestrator.adaptation.readers.reader import Columns, Reader, Role
from workers.settings.given_task import GivenTask


class NoReader(Reader):
    """Refuses whatever it is given."""

    def __init__(self, task: Any, shapes: GivenTask):
        self._task, self._shapes = task, shapes

    def read(self, source: str, role: Role, columns: Columns) -> NoReturn:
        """See `inputs`."""
        raise self._refusal(f"--{role} {source}: ")

    def inputs(self, given: Any) -> NoReturn:
        """Raise ValueError: there is nothing that could be given."""
        raise self._refusal("")

    def _refusal(self, what: str) -> ValueError:
        return ValueError(
            f"{what}task.kind = {self._task.kind!r} has environments, in which a policy makes its "
            "own episodes: there are no examples to give it; give it an environment "
            "(metatrain adapt-policy, Learner.adapt_to)"
        )
