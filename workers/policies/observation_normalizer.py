"""Normalization of a policy's observations, by a task's own episodes of random actions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from workers.policies.rollouts import roll_out
from workers.tasks.environments.family import EnvironmentFamily
from workers.tasks.scaling import ExampleScaling, Scaling
from workers.wire.protocol import Array, Specs

# A number that hardly varies keeps its unit: its noise would otherwise drown the others.
_STILL = 1e-4
# What random actions seldom lead to must not overwhelm a policy.
_FARTHEST = 10.0
# Separate from the streams of inner steps, which count up from 0.
_STREAM = 2**64 - 1
# The names of its arrays among the results of a block.
_BOTH = ("observation_mean", "observation_deviation")


@dataclass(frozen=True, slots=True)
class ObservationNormalizer:
    """A map from observations [tasks, ...any, *input_shape] to a policy's inputs, float32.

    mean: float32 [tasks, *input_shape]; None: observations stay as they are.
    deviation: likewise.
    """

    mean: NDArray[np.float32] | None = None
    deviation: NDArray[np.float32] | None = None

    def __call__(self, observations: Array) -> Array:
        """Normalize observations, and clip them far from what random actions led to."""
        if self.mean is None or self.deviation is None:
            return observations
        num_tasks, *shape = self.mean.shape
        ones = [1] * (observations.ndim - self.mean.ndim)
        centred = np.asarray(observations, np.float32) - self.mean.reshape(num_tasks, *ones, *shape)
        normalized = centred / self.deviation.reshape(num_tasks, *ones, *shape)
        clipped: Array = np.clip(normalized, -_FARTHEST, _FARTHEST)
        return clipped

    @property
    def scaling(self) -> ExampleScaling | None:
        """The scaling of the first task; None: observations stay as they are."""
        if self.mean is None or self.deviation is None:
            return None
        return ExampleScaling(Scaling(self.mean[0], self.deviation[0]), farthest=_FARTHEST)

    @property
    def results(self) -> dict[str, Array]:
        """What a block returns of it, [tasks, ...]; nothing where observations stay as they are."""
        if self.mean is None or self.deviation is None:
            return {}
        return dict(zip(_BOTH, (self.mean, self.deviation), strict=True))

    @classmethod
    def of_results(cls, results: Mapping[str, Array]) -> Self:
        """Make the normalizer again of what a block returned, see `results`."""
        fitted = [np.asarray(results[name], np.float32) for name in _BOTH if name in results]
        return cls(*fitted)


def fit_normalizer(
    family: EnvironmentFamily, specs: Specs, num_episodes: int
) -> ObservationNormalizer:
    """Fit mean and deviation to `num_episodes` episodes of random actions, for each task.

    The result is a function of a task's spec alone: neither other tasks nor a policy enter it.
    With 0 episodes observations stay as they are.

    Raises:
      ValueError: an observation or a reward is not finite.
    """
    if not num_episodes:
        return ObservationNormalizer()
    generators = streams(specs, _STREAM)
    shape = (num_episodes, family.horizon)
    actions = np.stack([family.random_actions(rng, shape) for rng in generators])
    episodes = roll_out(family, specs, generators, _act_as_drawn, actions)
    # Task by task: how numpy adds depends on an array's shape.
    by_task = [
        observations[mask == 1].astype(np.float64)
        for observations, mask in zip(episodes.observations, episodes.mask, strict=True)
    ]
    mean = np.stack([observations.mean(0) for observations in by_task])
    deviation = np.stack([observations.std(0) for observations in by_task])
    deviation[deviation < _STILL] = 1
    return ObservationNormalizer(mean.astype(np.float32), deviation.astype(np.float32))


def streams(specs: Specs, number: int) -> Sequence[np.random.Generator]:
    """Make a generator for each task: a function of the task's seed and the stream's number."""
    return [
        np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))
        for seed in specs["rollouts"]
    ]


def _act_as_drawn(observations: Array, actions: Array) -> tuple[Array, Array]:
    """Take the random actions, whatever is observed."""
    return np.zeros((*actions.shape[:2], 0), np.float32), actions
