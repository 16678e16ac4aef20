"""What was done and what came of it, as the targets of a task: one array, like those of others."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from workers.policies.distributions import Distribution
from workers.wire.protocol import Array


class Moves(NamedTuple):
    """Of episodes side by side; any leading axes, time last of them.

    actions: [..., num_actions]. rewards: [...]. advantages: [...], how much better than usual.
    taken: [...], 1; 0 once the episode is over. outputs: [..., num_outputs], of the policy that
    acted.
    """

    actions: Array
    rewards: Array
    advantages: Array
    taken: Array
    outputs: Array


def join(moves: Moves) -> Array:
    """As float32 [..., numbers]."""
    columns = [
        moves.actions,
        *(np.asarray(each)[..., None] for each in (moves.rewards, moves.advantages, moves.taken)),
        moves.outputs,
    ]
    joined: Array = np.concatenate(columns, axis=-1).astype(np.float32)
    return joined


def part(joined: tf.Tensor, distribution: Distribution, horizon: int) -> Moves:
    """The inverse, of [episodes * horizon, numbers]: tensors [episodes, horizon, ...]."""
    num_actions, num_outputs = distribution.num_actions, distribution.num_outputs
    width = num_actions + 3 + num_outputs
    by_episode = tf.reshape(joined, [-1, horizon, width])
    actions, scalars, outputs = tf.split(by_episode, [num_actions, 3, num_outputs], axis=-1)
    return Moves(actions, scalars[..., 0], scalars[..., 1], scalars[..., 2], outputs)
