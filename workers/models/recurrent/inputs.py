"""What a recurrent policy sees of a step: the observation, and what came of the step before."""

import numpy as np

from workers.losses.registry import loss_of
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Array


def num_seen(family: TaskFamily) -> int:
    """Count the numbers that a recurrent policy sees of a step, see `seen`."""
    discrete = loss_of(family).discrete
    features = family.num_outputs if discrete else family.num_outputs // 2
    return int(np.prod(family.input_shape)) + features + 2


def seen(
    observations: Array,
    features: Array,
    rewards: Array,
    ended: Array,
    scales: tuple[float, float],
) -> Array:
    """Join what a recurrent policy sees of a step: float32 [..., numbers].

    Args:
      observations: [..., numbers].
      features: of the action before, see `Distribution.features`; 0 at the start of a trial.
      rewards: [...], after that action; likewise.
      ended: [...], 1 if that action was the last one of an episode, else 0.
      scales: factors of features and rewards, see `Acting.seen_scales`.
    Source: Duan et al. 2016, arXiv:1611.02779, section 2.2.
    """
    of_actions, of_rewards = map(np.float32, scales)
    columns = [
        observations,
        np.asarray(features, np.float32) * of_actions,
        np.asarray(rewards, np.float32)[..., None] * of_rewards,
        ended[..., None],
    ]
    joined: Array = np.concatenate(columns, axis=-1, dtype=np.float32, casting="same_kind")
    return joined
