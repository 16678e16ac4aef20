"""Episodes in environments of gymnasium, side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tasks.environments.family import StepResult
from workers.tasks.environments.gym_check import as_number, success_of
from workers.tasks.environments.observations import Observations
from workers.tasks.environments.spaces import Actions
from workers.wire.protocol import Array


class GymEpisodes:
    """Gymnasium environments side by side, [tasks][episodes]; those that are over rest.

    disposable: whether the environments were made for these episodes alone and are closed with
      them.
    """

    def __init__(
        self,
        environments: Sequence[Sequence[Any]],
        seeds: Array,
        actions: Actions,
        observations: Observations,
        disposable: bool = False,
    ):
        self._environments = [environment for of_task in environments for environment in of_task]
        self._actions, self._shape, self._disposable = actions, seeds.shape, disposable
        self._seeds: list[int] = seeds.ravel().tolist()
        self._space = observations
        self._observations = np.zeros((len(self._seeds), *observations.shape), np.float32)
        self._over = np.zeros(len(self._seeds), bool)
        self._succeeded = np.zeros(len(self._seeds), bool)

    @property
    def succeeded(self) -> NDArray[np.bool_]:
        """See `VectorEnv.succeeded`."""
        return self._succeeded.reshape(self._shape).copy()

    def reset(self) -> Array:
        """Seed and reset all."""
        self._over[:] = self._succeeded[:] = False
        for number, seed in enumerate(self._seeds):
            self._observe("reset", number, self._environments[number].reset(seed=seed)[0])
        return self._side_by_side(self._observations)

    def step(self, actions: Array) -> StepResult:
        """Step each environment that is not over; its own time limit ends an episode too."""
        rewards = np.zeros(len(self._over))
        arguments = self._actions.environment_actions(actions)
        # As a list: iterating over an array would make an object of each element.
        for number, over in enumerate(self._over.tolist()):
            if over:
                continue
            environment = self._environments[number]
            observation, reward, terminated, truncated, info = environment.step(arguments[number])
            self._observe("step", number, observation)
            rewards[number] = reward if np.isscalar(reward) else as_number(reward)
            if success_of(info):
                self._succeeded[number] = True
            if terminated or truncated:
                self._over[number] = True
        return (
            self._side_by_side(self._observations),
            rewards.reshape(self._shape),
            self._over.reshape(self._shape).copy(),
        )

    def close(self) -> None:
        """See `VectorEnv.close`."""
        if self._disposable:
            for environment in self._environments:
                environment.close()

    def _observe(self, where: str, number: int, observation: Any) -> None:
        try:
            self._observations[number] = self._space.array(observation)
        except ValueError as error:
            raise ValueError(f"{where} returns {error}; fix the environment") from None

    def _side_by_side(self, values: Array) -> Array:
        """Copy `values` into the shape [tasks, episodes, ...]."""
        return values.reshape(*self._shape, *values.shape[1:]).copy()
