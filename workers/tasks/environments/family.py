"""The interface of a family of environments, in addition to a task family's."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from workers.losses.registry import loss_of
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Array, Specs

#: The result of `VectorEnv.step`: observations, rewards [tasks, episodes], which are over.
StepResult = tuple[Array, NDArray[np.float64], NDArray[np.bool_]]


class VectorEnv(Protocol):
    """The environments of some tasks, with several episodes of each side by side.

    succeeded: bool [tasks, episodes], whether an episode has had a success at any step so far;
      False where the environments do not say.
    """

    @property
    def succeeded(self) -> NDArray[np.bool_]:
        """See the class."""

    def reset(self) -> Array:
        """Start all episodes; return the first observations [tasks, episodes, *input_shape].

        Observations are float32.
        """

    def step(self, actions: Array) -> StepResult:
        """Take one step in every episode.

        Args:
          actions: float32 [tasks, episodes, actions]; for discrete actions [tasks, episodes, 1],
            the index of one. Actions of episodes that are over have no effect.
        Raises:
          ValueError: an environment returned something invalid.
        """

    def close(self) -> None:
        """Close the environments that were made for these episodes alone."""


class EnvironmentFamily(TaskFamily, Protocol):
    """A distribution over environments. `build` returns what a picture needs of a task.

    Specs hold "rollouts", uint64 [tasks]: the seed of everything random in a task's episodes.

    horizon: steps of an episode, at most.
    side_by_side: whether several episodes can run at the same time; else one after another.
    reports_success: whether its environments say whether an episode has succeeded.
    """

    horizon: int
    side_by_side: bool
    reports_success: bool

    def environments(
        self, specs: Specs, num_episodes: int, generators: Sequence[np.random.Generator]
    ) -> VectorEnv:
        """Open the tasks' environments; all their randomness is from each task's generator."""

    def random_actions(self, rng: np.random.Generator, shape: Sequence[int]) -> Array:
        """Draw actions that ignore observations, for `VectorEnv.step`.

        Returns:
          float32 [*shape, actions].
        """

    def observed(self, observation: Any) -> Any:
        """Convert what an environment returns to numbers [*input_shape].

        Raises:
          ValueError: it is not of the environment's observation space.
        """

    def environment_action(self, action: Array) -> Any:
        """Convert a policy's action [actions] to the argument of an environment's `step`."""

    def oracle(self, specs: Specs) -> NDArray[np.float64] | None:
        """Return the mean return of the optimal policy of each task [tasks]; None if unknown."""


def has_environments(family: TaskFamily) -> TypeGuard[EnvironmentFamily]:
    """Return whether a policy makes the episodes of `family`, instead of `build`."""
    return loss_of(family).acts
