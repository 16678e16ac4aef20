"""What a policy sees: observations, normalized by what a task's own random episodes showed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workers.policies.rollouts import roll_out
from workers.tasks.environments.family import EnvironmentFamily
from workers.tasks.scaling import Scaling, Units
from workers.wire.protocol import Array, Specs

# A number that hardly varies keeps its unit: its noise would else drown the others.
_STILL = 1e-4
# What random actions seldom lead to must not overwhelm a policy.
_FARTHEST = 10.0
# Beside those of inner steps, which count up from 0.
_STREAM = 2**64 - 1


@dataclass(frozen=True, slots=True)
class View:
    """From observations [tasks, ...any, *input_shape] to what a policy sees of them, float32.

    mean, deviation: float32 [tasks, *input_shape]; None: seen as they are.
    """

    mean: NDArray[np.float32] | None = None
    deviation: NDArray[np.float32] | None = None

    def __call__(self, observations: Array) -> Array:
        """Normalized, and cut off where random actions hardly ever led."""
        if self.mean is None or self.deviation is None:
            return observations
        num_tasks, *shape = self.mean.shape
        ones = [1] * (observations.ndim - self.mean.ndim)
        centred = np.asarray(observations, np.float32) - self.mean.reshape(num_tasks, *ones, *shape)
        seen = centred / self.deviation.reshape(num_tasks, *ones, *shape)
        cut: Array = np.clip(seen, -_FARTHEST, _FARTHEST)
        return cut

    @property
    def units(self) -> Units | None:
        """Of the first task; None: as they are."""
        if self.mean is None or self.deviation is None:
            return None
        return Units(Scaling(self.mean[0], self.deviation[0]), farthest=_FARTHEST)


def view_of(family: EnvironmentFamily, specs: Specs, num_episodes: int) -> View:
    """Mean 0 and deviation 1 in so many episodes of random actions, for each task and number.

    A function of a task's spec alone: nothing of other tasks, or of a policy, is in it. Without
    episodes observations are seen as they are.
    Raises:
      ValueError: an observation or a reward is not finite.
    """
    if not num_episodes:
        return View()
    generators = streams(specs, _STREAM)
    shape = (num_episodes, family.horizon)
    actions = np.stack([family.random_actions(rng, shape) for rng in generators])
    episodes = roll_out(family, specs, generators, _whatever, actions)
    # Task by task: how numpy adds depends on an array's shape.
    seen = [
        observations[taken == 1].astype(np.float64)
        for observations, taken in zip(episodes.observations, episodes.taken, strict=True)
    ]
    mean = np.stack([each.mean(0) for each in seen])
    deviation = np.stack([each.std(0) for each in seen])
    deviation[deviation < _STILL] = 1
    return View(mean.astype(np.float32), deviation.astype(np.float32))


def streams(specs: Specs, number: int) -> Sequence[np.random.Generator]:
    """A generator for each task: a function of its seed and the stream's number."""
    return [
        np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))
        for seed in specs["rollouts"]
    ]


def _whatever(observations: Array, actions: Array) -> tuple[Array, Array]:
    return np.zeros((*actions.shape[:2], 0), np.float32), actions
