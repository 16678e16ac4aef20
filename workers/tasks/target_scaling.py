"""Targets standardized within each task, by its support set: for tasks in different units."""

import numpy as np
from numpy.typing import NDArray

from workers.tasks.scaling import Scaling
from workers.wire.protocol import Array, Episode

#: Is in the preparation of a family whose targets are scaled so.
PER_TASK = "target_scaling_per_task"


def scaling_of(support: Array) -> Scaling:
    """Mean and standard deviation of support targets [.., examples, outputs] over the examples.

    Targets that are all the same are only shifted.
    """
    given: NDArray[np.float64] = np.asarray(support, np.float64)
    mean, deviation = given.mean(-2, keepdims=True), given.std(-2, keepdims=True)
    # Equal values leave a rounding error, which is no scale.
    flat = given.max(-2, keepdims=True) == given.min(-2, keepdims=True)
    return Scaling(mean, np.where(flat, 1.0, deviation))


def scaled_by_support(episode: Episode) -> Episode:
    """The episode with targets float32 in units of its support set's."""
    scaling = scaling_of(episode.support_targets)
    return episode._replace(
        support_targets=scaling.apply(episode.support_targets),
        query_targets=scaling.apply(episode.query_targets),
    )
