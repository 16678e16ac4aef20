"""What an algorithm says about policies, which collect their own examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from workers.settings.section import Record
from workers.wire.packed_inputs import input_shape_of

if TYPE_CHECKING:
    from workers.models.model import Model
    from workers.settings.environments.environment_task import EnvironmentTask
    from workers.tasks.family import TaskFamily
    from workers.wire.tensors import Shape


class Acting(Record):
    """The part of an algorithm that is for policies.

    rollouts: the class that runs blocks of tasks in environments, "module:Class".
    takes_blocks: whether `Algorithm.outer_loss` takes all tasks of a block at once, with a task
      axis, and returns sums over them.
    """

    rollouts: ClassVar[str] = "workers.policies.rollout_adaptation:RolloutAdapter"
    takes_blocks: ClassVar[bool] = False

    @property
    def num_episodes(self) -> int:
        """Episodes of a task over which a policy keeps its state; 0: it has none to keep."""
        return 0

    @property
    def seen_scales(self) -> tuple[float, float]:
        """The factors of the actions and of the rewards that a recurrent policy sees."""
        return 1.0, 1.0

    def steps_of_loss(self, task: EnvironmentTask) -> int:
        """Count the steps that the loss of a policy takes as one: those of an episode."""
        return task.horizon

    def model_inputs(self, model: Model, family: TaskFamily) -> Shape:
        """Return the shape of what the model gets of an example: the example's."""
        return input_shape_of(family)

    def check_outer(self, outer: Any) -> None:
        """Raise ValueError if the settings of the outer update do not suit the algorithm.

        Args:
          outer: the table [outer].
        """

    @classmethod
    def steps_to_evaluate(cls, table: Mapping[str, Any]) -> list[int]:
        """Return the default of evaluation.inner_steps, where there is no inner loop.

        Args:
          table: the table [algorithm], which may be wrong.
        """
        return [1]

    def check_evaluation(self, evaluation: Any) -> None:
        """Raise ValueError if the settings of the evaluation do not suit the algorithm.

        Args:
          evaluation: the table [evaluation].
        """
