"""Episodes: a policy acts in environments until they are over."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.tasks.environments.family import EnvironmentFamily, Environments, Moved
from workers.wire.protocol import Array, Specs

#: (observations [tasks, episodes, ...], noise [tasks, episodes, ...]) -> (outputs, actions).
Act = Callable[[Array, Array], tuple[Array, Array]]


class Rollout(NamedTuple):
    """Episodes of some tasks; all arrays [tasks, episodes, horizon, ...], zero once they are over.

    taken: 1, 0 once the episode is over.
    """

    observations: Array
    outputs: Array
    actions: Array
    rewards: Array
    taken: Array

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """Tasks whose policy said what is not finite, [tasks]; it did nothing instead."""
        said = self.outputs.reshape(len(self.outputs), -1)
        lost: NDArray[np.bool_] = np.logical_or.reduce(~np.isfinite(said), axis=1)
        return lost

    @property
    def returns(self) -> NDArray[np.float64]:
        """The sum of each episode's rewards, [tasks, episodes]."""
        each: NDArray[np.float64] = np.sum(self.rewards, axis=-1, dtype=np.float64)
        return each


def roll_out(
    family: EnvironmentFamily,
    specs: Specs,
    generators: Sequence[np.random.Generator],
    act: Act,
    noise: Array,
) -> Rollout:
    """Episodes in the environments of some tasks, side by side where there are as many.

    Args:
      generators: what each task's environments are seeded from. noise: see `act_in`.
    Raises:
      ValueError: an observation or a reward is not finite.
    """
    num_episodes = noise.shape[1]
    at_once = num_episodes if family.side_by_side else 1
    parts = []
    for lo in range(0, num_episodes, at_once):
        environments = family.environments(specs, at_once, generators)
        try:
            parts.append(act_in(environments, act, noise[:, lo : lo + at_once]))
        finally:
            environments.close()
    if len(parts) == 1:
        return parts[0]
    return Rollout(*(np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)))


def act_in(environments: Environments, act: Act, noise: Array) -> Rollout:
    """Act until every episode is over, or for as long as there is noise.

    Args:
      noise: [tasks, episodes, horizon, ...], all that is random in the actions.
    Raises:
      ValueError: an observation or a reward is not finite.
    """
    horizon = noise.shape[2]
    observations = _checked(environments.reset(), "the first observation")
    going = np.ones(noise.shape[:2], bool)
    arrays: list[Array] = []
    for time in range(horizon):
        outputs, actions = act(observations, noise[:, :, time])
        if not np.isfinite(actions).all():  # no fault of the environment's; see `diverged`
            wrong = ~np.isfinite(actions).all(axis=-1, keepdims=True)
            outputs = np.where(wrong, np.float32(np.nan), outputs)
            actions = np.where(wrong, np.float32(0), actions)
        now, rewards, over = _check(environments.step(actions), going, time)
        seen = (observations, outputs, actions, rewards, np.ones(going.shape))
        if not arrays:
            arrays = [_room_for(each, horizon) for each in seen]
        whole = bool(going.all())
        for array, each in zip(arrays, seen, strict=True):
            if whole:  # the usual case; a mask costs more than the rest of this
                array[:, :, time] = each
            else:
                array[:, :, time][going] = each[going]
        observations, going = now, going & ~over
        if not going.any():
            break
    return Rollout(*arrays)


def _room_for(values: Array, horizon: int) -> Array:
    return np.zeros((*values.shape[:2], horizon, *values.shape[2:]), np.float32)


def _check(moved: Moved, going: NDArray[np.bool_], time: int) -> Moved:
    """Episodes that are over may do as they like."""
    observations, rewards, over = moved
    _checked(rewards[going], f"the reward of step {time}")
    _checked(observations[going & ~over], f"the observation after step {time}")
    return moved


def _checked(values: Array, what: str) -> Array:
    if not np.isfinite(values).all():
        wrong = values[~np.isfinite(values)][0]
        raise ValueError(f"{what} of an episode is {wrong}; mend the environment")
    return values
