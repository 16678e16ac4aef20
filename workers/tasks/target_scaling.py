"""Targets standardized by each task's own support set, for tasks in different units."""

import numpy as np
from numpy.typing import NDArray

from workers.tasks.scaling import Scaling
from workers.wire.protocol import Array, Episode

#: The key in the preparation of a family whose targets are scaled this way.
PER_TASK = "target_scaling_per_task"


def scaling_of(support: Array) -> Scaling:
    """Measure support targets [.., examples, outputs] over the examples.

    Equal targets are only shifted: their deviation counts as 1. NaN is padding, not measured.
    """
    targets: NDArray[np.float64] = np.asarray(support, np.float64)
    if np.isnan(targets).any():
        mean, deviation = (f(targets, -2, keepdims=True) for f in (np.nanmean, np.nanstd))
    else:
        mean, deviation = targets.mean(-2, keepdims=True), targets.std(-2, keepdims=True)
    # The deviation of equal values is a rounding error, not a scale.
    flat = np.nanmax(targets, -2, keepdims=True) == np.nanmin(targets, -2, keepdims=True)
    return Scaling(mean, np.where(flat, 1.0, deviation))


def scaled_by_support(episode: Episode) -> Episode:
    """Standardize the episode's targets by those of its support set, float32."""
    scaling = scaling_of(episode.support_targets)
    return episode._replace(
        support_targets=scaling.apply(episode.support_targets),
        query_targets=scaling.apply(episode.query_targets),
    )
