"""Rollouts: episodes that end at different times, and environments that fail."""

import numpy as np
import pytest

from workers.policies.rollouts import act_in


class Countdown:
    """An environment whose episode n ends after n steps; the reward is the time."""

    def __init__(self, broken: str = ""):
        self._time, self._broken = 0, broken
        self.succeeded = np.zeros((1, 4), bool)

    def reset(self):
        self._time = 0
        return np.zeros((1, 4, 1), np.float32)

    def step(self, actions):
        self._time += 1
        rewards = np.full((1, 4), float(self._time))
        observations = np.full((1, 4, 1), self._time, np.float32)
        if self._broken == "reward" and self._time == 2:
            rewards[0, 2] = np.nan
        if self._broken == "late":
            rewards[0, 0] = np.nan if self._time > 1 else 1.0
        if self._broken == "observation" and self._time == 2:
            observations[0, 3] = np.inf
        return observations, rewards, self._time >= np.array([[1, 2, 3, 4]])


def act(observations, noise):
    return np.full((1, 4, 2), 7.0, np.float32), noise


def test_nothing_is_recorded_once_an_episode_is_over():
    rollout = act_in(Countdown(), act, np.ones((1, 4, 6, 1), np.float32))
    np.testing.assert_array_equal(rollout.mask[0].sum(-1), [1, 2, 3, 4])
    np.testing.assert_array_equal(rollout.rewards[0, 2], [1, 2, 3, 0, 0, 0])
    np.testing.assert_array_equal(rollout.observations[0, 3, :, 0], [0, 1, 2, 3, 0, 0])
    np.testing.assert_array_equal(rollout.outputs[0, 1, :, 0], [7, 7, 0, 0, 0, 0])
    np.testing.assert_allclose(rollout.returns, [[1, 3, 6, 10]])


def test_what_an_environment_gives_after_the_end_does_not_matter():
    act_in(Countdown("late"), act, np.ones((1, 4, 6, 1), np.float32))


@pytest.mark.parametrize(
    ("broken", "message"),
    [("reward", "the reward of step 1 .* is nan"), ("observation", "after step 1 .* is inf")],
)
def test_rewards_and_observations_that_are_not_finite_are_refused(broken, message):
    with pytest.raises(ValueError, match=message):
        act_in(Countdown(broken), act, np.ones((1, 4, 6, 1), np.float32))
