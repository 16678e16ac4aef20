"""Episodes in environments of gymnasium, side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.tasks.environments.family import StepResult
from workers.tasks.environments.gym_check import as_number
from workers.tasks.environments.spaces import Actions
from workers.wire.protocol import Array


class GymEpisodes:
    """Environments of gymnasium side by side, [tasks][episodes]; those that are over rest.

    disposable: whether they were made for these episodes alone, and are closed with them.
    """

    def __init__(
        self,
        environments: Sequence[Sequence[Any]],
        seeds: Array,
        actions: Actions,
        input_shape: tuple[int, ...],
        disposable: bool = False,
    ):
        self._environments = [each for of_a_task in environments for each in of_a_task]
        self._actions, self._shape, self._disposable = actions, seeds.shape, disposable
        self._seeds: list[int] = seeds.ravel().tolist()
        self._seen = np.zeros((len(self._seeds), *input_shape), np.float32)
        self._over = np.zeros(len(self._seeds), bool)

    def reset(self) -> Array:
        """Seed and reset all."""
        self._over[:] = False
        for number, seed in enumerate(self._seeds):
            self._look("reset", number, self._environments[number].reset(seed=seed)[0])
        return self._side_by_side(self._seen)

    def step(self, actions: Array) -> StepResult:
        """One step in each that is not over; a time limit of its own ends an episode too."""
        rewards = np.zeros(len(self._over))
        given = self._actions.given(actions)
        # As a list: numpy would make an object of each bit that is looked at.
        for number, over in enumerate(self._over.tolist()):
            if over:
                continue
            seen, reward, terminated, truncated, _ = self._environments[number].step(given[number])
            self._look("step", number, seen)
            rewards[number] = reward if np.isscalar(reward) else as_number(reward)
            if terminated or truncated:
                self._over[number] = True
        return (
            self._side_by_side(self._seen),
            rewards.reshape(self._shape),
            self._over.reshape(self._shape).copy(),
        )

    def close(self) -> None:
        """See `VectorEnv.close`."""
        if self._disposable:
            for each in self._environments:
                each.close()

    def _look(self, where: str, number: int, seen: Any) -> None:
        if np.shape(seen) != self._seen.shape[1:]:
            raise ValueError(
                f"{where} shows an observation of shape {list(np.shape(seen))}, not "
                f"{list(self._seen.shape[1:])}; mend the environment"
            )
        self._seen[number] = seen

    def _side_by_side(self, values: Array) -> Array:
        """A copy, [tasks, episodes, ...]."""
        return values.reshape(*self._shape, *values.shape[1:]).copy()
