"""One's own examples, as they come from a file or an array."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from orchestrator.adaptation.readers.arrays import as_numbers
from workers.tasks.scaling import Units
from workers.wire.protocol import Array

if TYPE_CHECKING:
    from orchestrator.adaptation.user_tasks import OwnTask
    from workers.tasks.environments.user_environment import LiveEnvironment

#: What they are for: to adapt to, or to be predicted.
Role = Literal["support", "query"]


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns of a table hold what; None: the reader's own names.

    inputs: one column or several. target: class or value. task: what tells tasks apart.
    """

    inputs: tuple[str, ...] | None = None
    target: str | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples of one or several tasks, in the order of their source.

    inputs: float32 [n, *input_shape], as the model was trained on. targets: the classes' names,
    or values float32 [n, num_outputs]; None where the source has none. names: what each example is
    called in its source. tasks: the task of each; all "" where there is but one.
    notes: what was done to them that the user should know.
    """

    inputs: Array
    targets: list[str] | Array | None
    names: list[str]
    tasks: list[str]
    notes: list[str] = field(default_factory=list)


class Reader(ABC):
    """How examples of a task family come in."""

    @abstractmethod
    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """Read a file or folder; a support set must have targets, queries may.

        Raises:
          DataError: it cannot be read, or is not what the model takes.
        """

    @abstractmethod
    def inputs(self, given: Any) -> Array:
        """Inputs that are given in memory: float32 [n, *input_shape].

        Raises:
          ValueError: they have another shape, or are not finite.
        """

    def targets(self, given: Any) -> Array:
        """Values in the user's own units, as the model is given them: float32 [n, outputs]."""
        found = as_numbers(given, np.float32, "targets")
        return found[:, None] if found.ndim == 1 else found

    def values(self, outputs: Array) -> Array:
        """What a model of regression is given as targets, in the user's own units."""
        return outputs

    def shown(self, inputs: Array) -> Array:
        """Inputs of a model of regression as a picture shows them, in the units of `values`."""
        return inputs

    def answers(self, task: "OwnTask", outputs: Array) -> Array:
        """What a model of regression that is adapted to `task` answers, in the user's own units."""
        return self.values(outputs)

    def units(self, task: "OwnTask") -> Units | None:
        """Those of a saved model, where they are not the model's own."""
        return None

    def environment(
        self, given: Any, arguments: Mapping[str, Any], origin: str
    ) -> "LiveEnvironment":
        """Open an environment of the user's own, for a policy to adapt to.

        Args:
          given: a name, something that makes environments, or an environment. arguments: attributes
            of it, or arguments of its constructor. origin: where the policy is from, for errors.
        Raises:
          ValueError: it cannot be had, lacks what is to be set, or has other spaces than the
            policy; or the run's tasks are no environments.
        """
        raise ValueError("the run is no policy: it has no use for an environment")

    def assemble(self, task: "OwnTask") -> "OwnTask":
        """The task as the model takes it, where that is not example by example."""
        return task
