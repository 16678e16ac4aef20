"""The base classes of the settings of task families."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import field_validator

from workers.settings.inputs import OBSERVATIONS, Inputs
from workers.settings.registry import named
from workers.settings.section import Record, Size

if TYPE_CHECKING:
    from workers.metrics import LossName
    from workers.tasks.family import TaskFamily

#: (number done, total number).
Progress = Callable[[int, int], None]
#: Tables of a configuration.
Tables = Mapping[str, Mapping[str, Any]]


class AnyTask(Record):
    """The settings of tasks, with what a model must know of them before their data are open.

    gives: the kinds of inputs that a model has to accept.
    refusal: the error message for a model that accepts none of these, with {model!r} and {task!r}
      for both kinds; "" to use the model's message.
    family: the `TaskFamily`, "module:Class", made from these settings.
    is_drawn: whether the family can draw tasks, to look at.
    feature_family: the family of the features that a backbone makes of its examples,
      "module:Class"; "" if its examples are not for a backbone.
    """

    gives: ClassVar[frozenset[Inputs]]
    refusal: ClassVar[str] = ""
    family: ClassVar[str]
    is_drawn: ClassVar[bool] = True
    feature_family: ClassVar[str] = ""

    @property
    def acts(self) -> bool:
        """Whether a policy collects the examples."""
        return self.gives == OBSERVATIONS

    def open(self, progress: Progress) -> TaskFamily:
        """Make the family and open its data; report the progress of slow work to `progress`."""
        family: TaskFamily = named(self.family)(self)
        return family


class TaskRecord(AnyTask):
    """The settings of a task family that a run can train on, with all that other code must know.

    A new family defines `gives`, `family`, the fields `shots` and `queries`, and best `defaults`.

    losses: names of the losses that its tasks may have.
    pictures: names of the pictures that its tasks may have.
    films: whether its environments may be filmed.
    reader: of a user's own examples, by its name in the registry of readers.
    defaults: defaults of a run: the tables model, algorithm, outer and evaluation, and task if they
      differ from those of the fields.
    data: the fields that are paths of its data.
    suffixes: endings of a file that is taken for data of this family if its path is given alone.
    members: endings of files in a folder or a zip that is taken for such data, likewise.
    unset_data: the folder in the data folder that it reads if its path is unset.
    chance: the main score without any learning, if targets are numbers.
    takes_ranges: whether shots and queries may be ranges; the family's `sample` takes them then.
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
    suffixes: ClassVar[tuple[str, ...]] = ()
    members: ClassVar[tuple[str, ...]] = ()
    unset_data: ClassVar[str] = ""
    chance: ClassVar[float | None] = None
    takes_ranges: ClassVar[bool] = False

    if TYPE_CHECKING:
        shots: Size
        queries: Size

    @field_validator("shots", "queries", mode="before", check_fields=False)
    @classmethod
    def _no_range_unless_taken(cls, value: Any) -> Any:
        """Say it of the kind of task, not of a type of number."""
        if isinstance(value, (list, tuple)) and not cls.takes_ranges:
            kind = cls.model_fields["kind"].default
            raise ValueError(f"task.kind = {kind!r} has no tasks of a range; give a number")
        return value

    @classmethod
    def default_model(cls, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """Choose the default [model] of a run by its [task], which may be invalid."""
        return cls.defaults["model"]

    @classmethod
    def default_tables(cls, task: Mapping[str, Any]) -> Tables:
        """Choose the tables of a run that leaves them open, by its [task], which may be wrong."""
        return cls.defaults

    def default_source(self) -> str:
        """Name the data that it reads because its path is unset; "" if it is set, or not needed.

        Raises:
          SourceError: there are none.
        """
        return ""

    def survey(self, progress: Progress) -> tuple[dict[str, Any], list[str]]:
        """Describe data that cannot be trained on, as far as possible, with notes for people."""
        return {}, []
