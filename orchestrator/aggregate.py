"""Many contributions, one outer gradient."""

from collections.abc import Sequence

import numpy as np

from workers.combine import combine
from workers.errors import NonFiniteError, PoolError
from workers.protocol import Contribution, Vector


def aggregate(
    contributions: Sequence[Contribution], num_parameters: int
) -> tuple[Vector, dict[str, float]]:
    """Combine a step's blocks in the canonical tree.

    Args:
      contributions: of all blocks of a step, in any order.
    Returns:
      the mean outer gradient, float32 [num_parameters], and the mean of each metric.
    Raises:
      NonFiniteError, PoolError: a contribution that must not reach theta.
    """
    ordered = sorted(contributions, key=lambda contribution: contribution.index)
    assert ordered[0].index == 0
    for contribution in ordered:
        _check(contribution, num_parameters)
    total = combine(ordered)
    metrics = {name: float(value) / total.num_tasks for name, value in total.metrics.items()}
    return total.gradient * np.float32(1 / total.num_tasks), metrics


def _check(contribution: Contribution, num_parameters: int) -> None:
    shape, dtype = contribution.gradient.shape, contribution.gradient.dtype
    if shape != (num_parameters,) or dtype != np.float32:
        raise PoolError(
            f"block {contribution.index} returned {dtype} {list(shape)} for an outer gradient of "
            f"float32 [{num_parameters}]"
        )
    if not np.isfinite(contribution.gradient).all():
        raise NonFiniteError(f"block {contribution.index} returned a gradient that is not finite")
