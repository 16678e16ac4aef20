"""What a family of tasks is to the rest."""

from typing import ClassVar

from workers.settings.inputs import OBSERVATIONS, Inputs
from workers.settings.section import Record


class TaskRecord(Record):
    """A family of tasks: its settings, and all that must be known before its data are open.

    gives: the inputs that a model has to take. refusal: what to say of a model that takes none of
    these, with both kinds for {model!r} and {task!r}; "" where the model says it.
    """

    gives: ClassVar[frozenset[Inputs]]
    refusal: ClassVar[str] = ""

    @property
    def acts(self) -> bool:
        """Whether a policy makes the examples."""
        return self.gives == OBSERVATIONS
