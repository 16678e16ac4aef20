"""The memory of recurrent policies in their trials."""

import numpy as np

from workers.models.recurrent.inputs import seen
from workers.policies.distributions import distribution_of
from workers.tasks.environments.family import EnvironmentFamily
from workers.wire.protocol import Array


class Memory:
    """The state of recurrent policies in their trials, and what they see of the last step.

    All arrays are float32 [tasks, trials, ...].
    """

    def __init__(
        self,
        family: EnvironmentFamily,
        shape: tuple[int, int],
        state_size: int,
        scales: tuple[float, float] = (1.0, 1.0),
    ):
        """Start trials.

        Args:
          shape: [tasks, trials].
          scales: see `Acting.seen_scales`.
        """
        self._scales = scales
        self._distribution = distribution_of(family)
        self.state = np.zeros((*shape, state_size), np.float32)
        self._features = np.zeros((*shape, self._distribution.num_features), np.float32)
        self._rewards, self._ended = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        self._next = self.state

    def inputs(self, observations: Array) -> Array:
        """Return what policies see of the next step, with normalized observations [.., numbers]."""
        return seen(observations, self._features, self._rewards, self._ended, self._scales)

    def think(self, state: Array) -> None:
        """Take the state after `inputs`; `take` keeps it."""
        self._next = np.asarray(state, np.float32)

    def take(self, actions: Array, rewards: Array, active: Array) -> None:
        """Take a step in the trials whose episode has not ended yet: active, bool."""
        features = self._distribution.features(np.asarray(actions, np.float32))
        self.state = np.where(active[..., None], self._next, self.state)
        self._features = np.where(active[..., None], features, self._features)
        self._rewards = np.where(active, rewards, self._rewards).astype(np.float32)
        self._ended = np.where(active, np.float32(0), self._ended)

    def end_episode(self) -> None:
        """Note that all episodes have ended."""
        self._ended = np.ones_like(self._ended)
