"""An environment that somebody hands over, to adapt to: one task, instead of a distribution."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from workers.settings.environments import NavigationTask
from workers.settings.given_task import GivenTask
from workers.tasks.environments.family import EnvironmentFamily, VectorEnv
from workers.tasks.environments.gym_episodes import GymEpisodes
from workers.tasks.environments.navigation import NavigationFamily
from workers.tasks.environments.spaces import look_at_actions, look_at_observations
from workers.tasks.user_tasks import GivenFamily
from workers.wire.protocol import Array, Draw, Specs


class LiveEnvironment(EnvironmentFamily, Protocol):
    """A family of a single task."""

    def specs(self, seed: int) -> Specs:
        """The task; all that happens in its episodes is a function of the seed, 0 to 2^32 - 1."""


class LivePoint(NavigationFamily):
    """A point and its goal, [2]."""

    def __init__(self, settings: NavigationTask, goal: tuple[float, float]):
        super().__init__(settings)
        self._goal = goal

    def specs(self, seed: int) -> Specs:
        """See `LiveEnvironment.specs`."""
        return {"goal": np.array([self._goal]), "rollouts": _rollouts(seed)}


class LiveGym(GivenFamily):
    """One of gymnasium's interface, or as many of the same as there are episodes."""

    def __init__(self, name: str, horizon: int, first: Any, make: Callable[[], Any] | None = None):
        """`make` gives more like `first`; without it, episodes come one after another in `first`.

        Raises:
          ValueError: it has spaces that no policy here acts in.
        """
        self._actions = look_at_actions(name, first.action_space)
        super().__init__(
            GivenTask(
                loss=self._actions.loss,
                input_shape=look_at_observations(name, first.observation_space),
                num_outputs=self._actions.num_outputs,
            )
        )
        self.horizon, self.side_by_side = horizon, make is not None
        self._make, self._idle = make, [first]

    def environments(
        self, specs: Specs, num_episodes: int, generators: Sequence[np.random.Generator]
    ) -> VectorEnv:
        """Each episode is seeded from the task's generator."""
        seeds = np.array([rng.integers(2**31, size=num_episodes) for rng in generators])
        while self._make is not None and len(self._idle) < num_episodes:
            self._idle.append(self._make())
        return GymEpisodes([self._idle[:num_episodes]], seeds, self._actions, self.input_shape)

    def oracle(self, specs: Specs) -> None:
        """Nobody can say."""
        return

    def specs(self, seed: int) -> Specs:
        """See `LiveEnvironment.specs`."""
        return {"rollouts": _rollouts(seed)}

    def given(self, action: Array) -> Any:
        """Clipped to the environment's bounds, or the index of one of a few."""
        return self._actions.given(action[None])[0]

    def random_actions(self, rng: np.random.Generator, shape: Sequence[int]) -> Array:
        """See `EnvironmentFamily.random_actions`."""
        return self._actions.random(rng, shape)


def _rollouts(seed: int) -> Array:
    """uint64 [1]."""
    rng = Draw(seed, "test", 0).generator(stream="rollouts")
    return rng.integers(2**63, size=1, dtype=np.uint64)
