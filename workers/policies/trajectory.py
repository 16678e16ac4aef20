"""Trajectories, and their form as the targets of a task: one array, like those of other tasks."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from workers.policies.distributions import Distribution
from workers.wire.protocol import Array


class Trajectory(NamedTuple):
    """Steps of one or several episodes. The axes before the last ones are free; time comes last.

    actions: [..., num_actions].
    rewards: [...].
    advantages: [...], see `advantages`.
    mask: [...], 1 for a step of the episode, 0 after its end.
    outputs: [..., num_outputs], of the policy that acted.
    """

    actions: Array
    rewards: Array
    advantages: Array
    mask: Array
    outputs: Array


def to_targets(trajectory: Trajectory) -> Array:
    """Join a trajectory into one array, float32 [..., numbers]."""
    scalars = trajectory.rewards, trajectory.advantages, trajectory.mask
    columns = [
        trajectory.actions,
        *(np.asarray(scalar)[..., None] for scalar in scalars),
        trajectory.outputs,
    ]
    targets: Array = np.concatenate(columns, axis=-1).astype(np.float32)
    return targets


def from_targets(targets: tf.Tensor, distribution: Distribution, horizon: int) -> Trajectory:
    """Invert `to_targets`: [episodes * horizon, numbers] -> tensors [episodes, horizon, ...]."""
    num_actions, num_outputs = distribution.num_actions, distribution.num_outputs
    width = num_actions + 3 + num_outputs
    by_episode = tf.reshape(targets, [-1, horizon, width])
    actions, scalars, outputs = tf.split(by_episode, [num_actions, 3, num_outputs], axis=-1)
    return Trajectory(actions, scalars[..., 0], scalars[..., 1], scalars[..., 2], outputs)
