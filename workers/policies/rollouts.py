"""Rollouts: a policy acts in environments until their episodes end."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.tasks.environments.family import EnvironmentFamily, StepResult, VectorEnv
from workers.wire.protocol import Array, Specs

#: (observations [tasks, episodes, ...], noise [tasks, episodes, ...]) -> (outputs, actions).
Act = Callable[[Array, Array], tuple[Array, Array]]
#: Called after each step with actions, rewards, and which episodes had not ended before it.
Feedback = Callable[[Array, Array, NDArray[np.bool_]], None]


class Rollout(NamedTuple):
    """Episodes of several tasks; all arrays [tasks, episodes, horizon, ...], 0 after an end.

    mask: 1 for a step of the episode, 0 after its end.
    succeeded: bool [tasks, episodes], see `VectorEnv`.
    """

    observations: Array
    outputs: Array
    actions: Array
    rewards: Array
    mask: Array
    succeeded: NDArray[np.bool_]

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """Tasks whose policy had outputs that are not finite, [tasks]; its actions were 0 then."""
        outputs = self.outputs.reshape(len(self.outputs), -1)
        lost: NDArray[np.bool_] = np.logical_or.reduce(~np.isfinite(outputs), axis=1)
        return lost

    @property
    def returns(self) -> NDArray[np.float64]:
        """The sum of each episode's rewards, [tasks, episodes]."""
        returns: NDArray[np.float64] = np.sum(self.rewards, axis=-1, dtype=np.float64)
        return returns


def roll_out(
    family: EnvironmentFamily,
    specs: Specs,
    generators: Sequence[np.random.Generator],
    act: Act,
    noise: Array,
) -> Rollout:
    """Act in the environments of several tasks; in all episodes at once if the family allows it.

    Args:
      generators: one for each task, which seeds its environments.
      noise: see `act_in`.
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
    return joined(parts)


def joined(parts: Sequence[Rollout]) -> Rollout:
    """Join episodes of the same tasks."""
    if len(parts) == 1:
        return parts[0]
    return Rollout(*(np.concatenate(arrays, axis=1) for arrays in zip(*parts, strict=True)))


def act_in(
    environments: VectorEnv, act: Act, noise: Array, feedback: Feedback | None = None
) -> Rollout:
    """Act until every episode has ended, for as many steps as there is noise.

    Args:
      noise: [tasks, episodes, horizon, ...], all that is random in the actions.
      feedback: None: nobody wants any.
    Raises:
      ValueError: an observation or a reward is not finite.
    """
    horizon = noise.shape[2]
    observations = _checked(environments.reset(), "the first observation")
    active = np.ones(noise.shape[:2], bool)
    arrays: list[Array] = []
    for time in range(horizon):
        outputs, actions = act(observations, noise[:, :, time])
        if not np.isfinite(actions).all():  # not the environment's fault; see `diverged`
            wrong = ~np.isfinite(actions).all(axis=-1, keepdims=True)
            outputs = np.where(wrong, np.float32(np.nan), outputs)
            actions = np.where(wrong, np.float32(0), actions)
        now, rewards, over = _check(environments.step(actions), active, time)
        if feedback is not None:
            feedback(actions, rewards, active)
        values = (observations, outputs, actions, rewards, np.ones(active.shape))
        if not arrays:
            arrays = [_zeros_for(value, horizon) for value in values]
        all_active = bool(active.all())
        for array, value in zip(arrays, values, strict=True):
            if all_active:  # the usual case; a mask costs more than the rest of this
                array[:, :, time] = value
            else:
                array[:, :, time][active] = value[active]
        observations, active = now, active & ~over
        if not active.any():
            break
    observed, outputs, taken, rewarded, mask = arrays
    return Rollout(observed, outputs, taken, rewarded, mask, environments.succeeded)


def _zeros_for(values: Array, horizon: int) -> Array:
    return np.zeros((*values.shape[:2], horizon, *values.shape[2:]), np.float32)


def _check(result: StepResult, active: NDArray[np.bool_], time: int) -> StepResult:
    """Refuse numbers that are not finite, in episodes that have not ended."""
    observations, rewards, over = result
    _checked(rewards[active], f"the reward of step {time}")
    _checked(observations[active & ~over], f"the observation after step {time}")
    return result


def _checked(values: Array, what: str) -> Array:
    if not np.isfinite(values).all():
        wrong = values[~np.isfinite(values)][0]
        raise ValueError(f"{what} of an episode is {wrong}; fix the environment")
    return values
