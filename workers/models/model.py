"""The base class of models: their settings, inputs, execution and network.

Records are part of the configuration, which loads without TensorFlow; methods import it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

from pydantic import ValidationInfo, field_validator, model_validator

from workers.settings.inputs import FEATURES, Inputs
from workers.settings.section import Record, setting

if TYPE_CHECKING:
    from workers.algorithms.algorithm import Algorithm
    from workers.models.functional import FunctionalModel
    from workers.settings.task import AnyTask
    from workers.tasks.family import TaskFamily


class Model(Record):
    """A model.

    A new model defines `takes` and `build`.

    takes: the kinds of inputs that it accepts.
    refusal: the error message for a task that gives none of these, with {task!r} for the task's
      kind; "" for a message that fits any model.
    execution: tasks one after another or as one batch, and whether with XLA.
    is_users: whether it is a user's own model, of which the configuration says little.
    has_features: whether it has layers in front of its head.
    takes_context: whether it has a `with_context`.
    """

    takes: ClassVar[frozenset[Inputs]]
    refusal: ClassVar[str] = ""
    # The safe choice for a model that may contain anything.
    execution: ClassVar[tuple[Literal["map", "vectorized"], bool]] = "map", False
    is_users: ClassVar[bool] = False
    has_features: ClassVar[bool] = True
    takes_context: ClassVar[bool] = False

    statistics: Literal["batch", "support", "running"] = setting(
        "batch",
        "statistics of batch normalization for queries: of all queries together (transductive), of "
        "each query with the support set, or running ones",
    )
    backbone: str | None = setting(
        None,
        "a frozen Keras model whose features the model gets in place of images or texts: a .keras "
        "file, or 'module:function', which returns one; unset: there is none",
        bits=False,  # its content is in the fingerprint
    )
    folder: str = setting(
        ".",
        "folder of these files, and first folder to import modules from",
        bits=False,
        place="here",
    )
    imports: tuple[str, ...] = setting(
        (), "modules to import first, which register custom layers with Keras", bits=False
    )
    backbone_cache: str | None = setting(
        None,
        "folder of the backbone's stored features; unset: task.cache, or ~/.cache/metatrain",
        bits=False,
        place="here",
    )

    @model_validator(mode="after")
    def _has_no_statistics(self) -> Self:
        if getattr(type(self), "normalization", "") == "none" and self.statistics != "batch":
            raise ValueError(
                f"model.statistics = {self.statistics!r} is for batch normalization, which "
                f"model.kind = {self.kind!r} has not; unset it"
            )
        return self

    @field_validator("folder")
    @classmethod
    def _absolute(cls, value: str, info: ValidationInfo) -> str:
        """Make it absolute if it is of use: a run may resume, and actors start, elsewhere."""
        is_used = cls.is_users or info.data.get("backbone") is not None
        return str(Path(value).expanduser().absolute()) if is_used else value

    @field_validator("backbone_cache")
    @classmethod
    def _absolute_cache(cls, value: str | None) -> str | None:
        """Make the path absolute likewise."""
        return None if value is None else str(Path(value).expanduser().absolute())

    def build(
        self, input_shape: tuple[int, ...], num_outputs: int, num_tokens: int | None = None
    ) -> Any:
        """Make the Keras model.

        Args:
          input_shape: of an example.
          num_outputs: of the last axis of the outputs.
          num_tokens: inputs are ids from 0 to num_tokens - 1; None: they are numbers.
        Raises:
          ValueError: a user's model cannot be built, or does not take such inputs.
        """
        raise NotImplementedError

    def features(self, model: Any) -> Any:
        """Make the Keras model of one vector for each example, which a linear head is put on.

        Args:
          model: what `build` made.
        Returns:
          None: what the model's head gets.
        """
        return None

    def with_context(
        self, input_shape: tuple[int, ...], num_outputs: int, context_size: int
    ) -> Any:
        """Make the Keras model with context parameters, see `conditioning.context`.

        Args:
          context_size: their number, >= 1. The others are those of `build`.
        """
        raise NotImplementedError

    def check_task(self, task: AnyTask) -> None:
        """Raise ValueError if these settings do not suit the task, whose inputs it takes."""

    def check_algorithm(self, algorithm: Algorithm) -> None:
        """Raise ValueError if these settings do not suit the algorithm."""

    def check_family(self, family: TaskFamily) -> None:
        """Raise ValueError if its outputs are not what the tasks need."""

    def digest(self, model: FunctionalModel) -> str:
        """Identify what the settings leave open about the model; "" if they describe all of it."""
        return ""

    def trusted(self) -> Self:
        """Copy the settings without the check of second derivatives, if there is one."""
        return self

    def gets(self, task: AnyTask) -> frozenset[Inputs]:
        """Return the kinds of inputs that it gets: those of the tasks, or a backbone's features."""
        return task.gives if self.backbone is None else FEATURES

    @property
    def modules(self) -> list[str]:
        """See `Record.modules`."""
        of_backbone = [] if self.backbone is None else [self.backbone.partition(":")[0]]
        return [*self.imports, *(name for name in of_backbone if not name.endswith(".keras"))]

    @property
    def files(self) -> Mapping[str, str]:
        """See `Record.files`."""
        if self.backbone is None or not self.backbone.endswith(".keras"):
            return {}
        return {f"model.backbone = {self.backbone!r}": self.backbone}

    @property
    def head_layers(self) -> str | Sequence[str] | None:
        """Names of the head layers; None: the last layer with weights."""
        return None

    @property
    def adapters(self) -> tuple[str, ...]:
        """Suffixes of the names of the layers that alone adapt; empty: all layers adapt."""
        return ()

    @property
    def state_size(self) -> int:
        """Numbers of the state that a recurrent policy keeps from step to step; 0: it keeps none.

        The last of its inputs are the state, and the last of its outputs the next one.
        """
        return 0

    @property
    def title(self) -> str:
        """The name of the model in a protocol."""
        return self.kind

    @property
    def normalizations(self) -> list[str] | None:
        """Kinds of normalization: "batch", "layer", "group"; None: known once it is built."""
        return []

    @property
    def transductive(self) -> bool | None:
        """Whether predictions depend on the task's other queries; None: known once it is built."""
        return False


class Normalized(Model):
    """The settings of normalization in the shipped models."""

    normalization: Literal["batch", "layer", "group", "none"] = setting(
        "none", "normalization of the inputs, or of the outputs of each hidden layer"
    )
    groups: int = setting(
        8, "groups of channels of group normalization, 1 to 65536", ge=1, le=65536
    )

    @model_validator(mode="after")
    def _statistics_of_batches(self) -> Self:
        if self.statistics != "batch" and self.normalization != "batch":
            raise ValueError(
                f"model.statistics = {self.statistics!r} is for model.normalization = 'batch', not "
                f"{self.normalization!r}"
            )
        return self

    def check_task(self, task: AnyTask) -> None:
        """See `Model.check_task`."""
        if task.acts and self.normalization == "batch":
            raise ValueError(
                "model.normalization = 'batch' makes what a policy does depend on other episodes; "
                "use 'none' or 'layer'"
            )

    def _check_groups(self, channels: Iterable[int]) -> None:
        for number in channels:
            if self.normalization == "group" and number % self.groups:
                raise ValueError(
                    f"model.groups = {self.groups} does not divide {number} channels; choose a "
                    "divisor"
                )

    @property
    def normalizations(self) -> list[str] | None:
        """See `Model.normalizations`."""
        return [] if self.normalization == "none" else [self.normalization]

    @property
    def transductive(self) -> bool | None:
        """See `Model.transductive`."""
        return self.normalization == "batch" and self.statistics == "batch"
