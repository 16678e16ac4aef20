"""What a family of tasks is to the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from workers.settings.inputs import OBSERVATIONS, Inputs
from workers.settings.registry import named
from workers.settings.section import Record

if TYPE_CHECKING:
    from workers.metrics import LossName
    from workers.tasks.family import TaskFamily

#: (done, of how many).
Progress = Callable[[int, int], None]
#: A configuration's tables.
Tables = Mapping[str, Mapping[str, Any]]


class AnyTask(Record):
    """Tasks: their settings, and what a model must know of them before their data are open.

    gives: the inputs that a model has to take. refusal: what to say of a model that takes none of
    these, with both kinds for {model!r} and {task!r}; "" where the model says it.
    family: the `TaskFamily`, "module:Class", made from these settings.
    """

    gives: ClassVar[frozenset[Inputs]]
    refusal: ClassVar[str] = ""
    family: ClassVar[str]

    @property
    def acts(self) -> bool:
        """Whether a policy makes the examples."""
        return self.gives == OBSERVATIONS

    def open(self, progress: Progress) -> TaskFamily:
        """Make the family, its data opened; `progress` follows what takes long."""
        made: TaskFamily = named(self.family)(self)
        return made


class TaskRecord(AnyTask):
    """A family of tasks that a run can train on, and all that the rest must know of it.

    A new one gives `gives`, `family`, the fields `shots` and `queries`, and best `defaults`.

    losses, pictures: those that its tasks may have, by their names. films: whether its environments
    may be filmed. reader: of a user's own examples, by its name in the registry of readers.
    defaults: what a run has that does not say: tables model, algorithm, outer and evaluation, and
    task where there are more than the fields' own. data: the fields that are paths of its data.
    unset_data: the folder of the data folder that it reads where its path is unset.
    chance: the score that decides, of who has learned nothing, where targets are numbers.
    """

    losses: ClassVar[tuple[LossName, ...]]
    pictures: ClassVar[tuple[str, ...]]
    films: ClassVar[bool] = False
    reader: ClassVar[str] = "numbers"
    defaults: ClassVar[Tables] = {
        "model": {"kind": "mlp"},
        "algorithm": {"kind": "maml", "inner_lr": 0.01, "inner_steps": 1},
        "outer": {"meta_batch_size": 32, "steps": 10_000},
        "evaluation": {"inner_steps": [1, 3, 5], "inner_lr": [0.001, 0.01, 0.1, 1.0]},
    }
    data: ClassVar[tuple[str, ...]] = ()
    unset_data: ClassVar[str] = ""
    chance: ClassVar[float | None] = None

    if TYPE_CHECKING:
        shots: int
        queries: int

    @classmethod
    def default_model(cls, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """Choose the [model] of a run that names none, by its [task], which may be wrong."""
        return cls.defaults["model"]

    @classmethod
    def default_tables(cls, task: Mapping[str, Any]) -> Tables:
        """Choose the tables of a run that leaves them open, by its [task], which may be wrong."""
        return cls.defaults

    def survey(self, progress: Progress) -> tuple[dict[str, Any], list[str]]:
        """Describe data that cannot be trained on, as far as it goes, with notes for people."""
        return {}, []
