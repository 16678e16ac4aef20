"""Families of a user's own environment to adapt to: one task, instead of a distribution."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from workers.settings.environments.navigation_task import NavigationTask
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.environments.family import EnvironmentFamily, VectorEnv
from workers.tasks.environments.gym_episodes import GymEpisodes
from workers.tasks.environments.navigation import NavigationFamily
from workers.tasks.environments.observations import look_at_observations
from workers.tasks.environments.spaces import look_at_actions
from workers.tasks.user_tasks import UserTaskFamily
from workers.wire.protocol import Array, Draw, Specs


class UserEnvironment(EnvironmentFamily, Protocol):
    """A family of a single task, the user's environment."""

    def specs(self, seed: int) -> Specs:
        """Return the task; its episodes are a function of the seed, 0 to 2^32 - 1."""


class UserPoint(NavigationFamily):
    """The plane of `navigation` with the user's goal, [2]."""

    def __init__(self, settings: NavigationTask, goal: tuple[float, float]):
        super().__init__(settings)
        self._goal = goal

    def specs(self, seed: int) -> Specs:
        """See `UserEnvironment.specs`."""
        return {"goal": np.array([self._goal]), "rollouts": _rollouts(seed)}


class UserGym(UserTaskFamily):
    """A gymnasium environment of the user's, or one for each episode."""

    def __init__(self, name: str, horizon: int, first: Any, make: Callable[[], Any] | None = None):
        """Take the user's environment `first`.

        Args:
          make: makes more environments like `first`; None: episodes run in `first`, one after
            another.
        Raises:
          ValueError: no policy can act in its spaces.
        """
        self._actions = look_at_actions(name, first.action_space)
        self._observations = look_at_observations(name, first.observation_space)
        super().__init__(
            UserTaskShapes(
                loss=self._actions.loss,
                input_shape=self._observations.shape,
                num_outputs=self._actions.num_outputs,
            )
        )
        self.horizon, self.side_by_side = horizon, make is not None
        self.reports_success = False
        self._make, self._idle = make, [first]

    def environments(
        self, specs: Specs, num_episodes: int, generators: Sequence[np.random.Generator]
    ) -> VectorEnv:
        """Open an environment for each episode, seeded from the task's generator."""
        seeds = np.array([rng.integers(2**31, size=num_episodes) for rng in generators])
        while self._make is not None and len(self._idle) < num_episodes:
            self._idle.append(self._make())
        return GymEpisodes([self._idle[:num_episodes]], seeds, self._actions, self._observations)

    def oracle(self, specs: Specs) -> None:
        """Return None: the optimal return is unknown."""
        return

    def specs(self, seed: int) -> Specs:
        """See `UserEnvironment.specs`."""
        return {"rollouts": _rollouts(seed)}

    def observed(self, observation: Any) -> Any:
        """See `EnvironmentFamily.observed`."""
        return self._observations.array(observation)

    def environment_action(self, action: Array) -> Any:
        """See `EnvironmentFamily.environment_action`."""
        return self._actions.environment_actions(action[None])[0]

    def random_actions(self, rng: np.random.Generator, shape: Sequence[int]) -> Array:
        """See `EnvironmentFamily.random_actions`."""
        return self._actions.random(rng, shape)


def _rollouts(seed: int) -> Array:
    """Draw the seed of the episodes, uint64 [1]."""
    rng = Draw(seed, "test", 0).generator(stream="rollouts")
    return rng.integers(2**63, size=1, dtype=np.uint64)
