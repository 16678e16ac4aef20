"""What a family of environments provides beside a task family's own."""

from collections.abc import Sequence
from typing import Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from workers.metrics import ACTING
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Array, Specs

#: The result of `VectorEnv.step`: observations, rewards and ends, each [tasks, episodes, ...].
StepResult = tuple[Array, NDArray[np.float64], NDArray[np.bool_]]


class VectorEnv(Protocol):
    """The environments of several tasks, with several episodes of each side by side."""

    def reset(self) -> Array:
        """Reset all; return the first observations, float32 [tasks, episodes, *input_shape]."""

    def step(self, actions: Array) -> StepResult:
        """Act in all of them.

        Args:
          actions: float32 [tasks, episodes, actions]; for discrete actions [tasks, episodes, 1],
            the index of one. Actions of episodes that have ended have no effect.
        Raises:
          ValueError: an environment returned something that is not allowed.
        """

    def close(self) -> None:
        """Release what was made for these episodes alone."""


class EnvironmentFamily(TaskFamily, Protocol):
    """A distribution over environments. `build` gives what a picture needs of a task.

    Specs hold "rollouts", uint64 [tasks]: the seed of all that happens in a task's episodes.
    side_by_side: whether several episodes can go on at the same time; else one after another.
    """

    horizon: int
    side_by_side: bool

    def environments(
        self, specs: Specs, num_episodes: int, generators: Sequence[np.random.Generator]
    ) -> VectorEnv:
        """The tasks' environments; what is random in them is drawn from each task's generator."""

    def random_actions(self, rng: np.random.Generator, shape: Sequence[int]) -> Array:
        """Of who sees nothing, for `VectorEnv.step`: float32 [*shape, actions]."""

    def given(self, action: Array) -> Any:
        """What an environment's `step` takes, for an action [actions] of a policy."""

    def oracle(self, specs: Specs) -> NDArray[np.float64] | None:
        """The return of who knows each task, [tasks]; None where nobody can say."""


def has_environments(family: TaskFamily) -> TypeGuard[EnvironmentFamily]:
    """Whether a policy makes the episodes of `family`, instead of `build`."""
    return family.loss in ACTING
