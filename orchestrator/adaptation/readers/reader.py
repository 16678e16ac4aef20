"""The interface of readers of a user's examples, from files or memory."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from orchestrator.adaptation.readers.arrays import as_numbers
from workers.tasks.scaling import ExampleScaling
from workers.wire.protocol import Array

if TYPE_CHECKING:
    from orchestrator.adaptation.user_tasks import UserTask
    from workers.tasks.environments.user_environment import UserEnvironment

#: The use of examples: to adapt to, or to predict.
Role = Literal["support", "query"]


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns of a table; None: the reader's default names.

    inputs: one column or several.
    target: of classes or values.
    task: of the tasks' names.
    """

    inputs: tuple[str, ...] | None = None
    target: str | None = None
    task: str | None = None


@dataclass(frozen=True, slots=True)
class Examples:
    """Examples of one or several tasks, in the order of their source.

    inputs: float32 [n, *input_shape], prepared as in training.
    targets: names of classes, or values float32 [n, num_outputs]; None if the source has none.
    names: of the examples in their source.
    tasks: the task of each; all "" if there is only one.
    notes: what was done to the examples, for the user.
    """

    inputs: Array
    targets: list[str] | Array | None
    names: list[str]
    tasks: list[str]
    notes: list[str] = field(default_factory=list)


class Reader(ABC):
    """A reader of a user's examples for one task family."""

    #: Whether texts in memory are names of files, which only a user of this machine may give.
    takes_paths = False
    #: The settings of the run's tasks that it depends on, where examples need no preparation.
    reads: tuple[str, ...] = ()

    @abstractmethod
    def read(self, source: str, role: Role, columns: Columns) -> Examples:
        """Read a file or folder; a support set must have targets, queries may.

        Raises:
          DataError: it cannot be read, or does not fit the model.
        """

    @abstractmethod
    def inputs(self, values: Any) -> Array:
        """Convert a user's inputs in memory: float32 [n, *input_shape].

        Raises:
          ValueError: they have another shape, or are not finite.
        """

    def files(self, names: Sequence[str], contents: Iterable[bytes]) -> Array:
        """Convert inputs that are files in memory, such as images: float32 [n, *input_shape].

        Args:
          names: of the files, for errors. contents: of the files.
        Raises:
          ValueError: they cannot be read, or an input is not a file.
        """
        raise ValueError(f"{names[0]} is a file; inputs of this run are no files, give values")

    def targets(self, values: Any) -> Array:
        """Convert targets in the user's units to the model's: float32 [n, outputs]."""
        numbers = as_numbers(values, np.float32, "targets")
        return numbers[:, None] if numbers.ndim == 1 else numbers

    def values(self, outputs: Array) -> Array:
        """Convert targets of a regression model to the user's units."""
        return outputs

    def scored(self, task: "UserTask") -> Array | None:
        """Return the targets of the queries in the model's units; None if they are unknown."""
        return task.query_targets

    def shown(self, inputs: Array) -> Array:
        """Convert inputs of a regression model to the units of `values`, for pictures."""
        return inputs

    def answers(self, task: "UserTask", outputs: Array) -> Array:
        """Convert outputs of a regression model that is adapted to `task` to the user's units."""
        return self.values(outputs)

    def scaling(self, task: "UserTask") -> ExampleScaling | None:
        """Return the scaling that a saved model applies itself; None if it needs none."""
        return None

    def environment(
        self, environment: Any, arguments: Mapping[str, Any], origin: str
    ) -> "UserEnvironment":
        """Open a user's environment, for a policy to adapt to.

        Args:
          environment: a name, a class or function that makes environments, or an environment.
          arguments: attributes of it, or arguments of its constructor.
          origin: where the policy is from, for errors.
        Raises:
          ValueError: it cannot be made, lacks an attribute to set, or its spaces differ from the
            policy's; or the run's tasks are not environments.
        """
        raise ValueError("the run has no policy: it takes examples, not an environment")

    def assemble(self, task: "UserTask") -> "UserTask":
        """Rearrange a task if the model takes more than single examples."""
        return task
