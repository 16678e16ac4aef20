"""Many contributions, one outer gradient."""

from collections.abc import Sequence

import numpy as np

from workers.errors import NonFiniteError, PoolError
from workers.protocol import Contribution, Vector
from workers.tensors import tree_sum


def aggregate(
    contributions: Sequence[Contribution], num_parameters: int
) -> tuple[Vector, dict[str, float]]:
    """Combine a step's blocks in the canonical tree.

    Args:
      contributions: all blocks of a step, in any order.
    Returns:
      the mean outer gradient, float32 [num_parameters], and the mean of each metric.
    Raises:
      NonFiniteError, PoolError: a contribution that must not reach theta.
    """
    ordered = sorted(contributions, key=lambda contribution: contribution.index)
    assert [c.index for c in ordered] == list(range(len(ordered)))
    for contribution in ordered:
        _check(contribution, num_parameters)
    num_tasks = sum(contribution.num_tasks for contribution in ordered)
    gradient = tree_sum([c.gradient for c in ordered], np.add) * np.float32(1 / num_tasks)
    metrics = {
        name: float(tree_sum([np.float64(c.metrics[name]) for c in ordered], np.add)) / num_tasks
        for name in ordered[0].metrics
    }
    return gradient, metrics


def _check(contribution: Contribution, num_parameters: int) -> None:
    shape, dtype = contribution.gradient.shape, contribution.gradient.dtype
    if shape != (num_parameters,) or dtype != np.float32:
        raise PoolError(
            f"block {contribution.index} returned {dtype} {list(shape)} for an outer gradient of "
            f"float32 [{num_parameters}]"
        )
    if not np.isfinite(contribution.gradient).all():
        raise NonFiniteError(f"block {contribution.index} returned a gradient that is not finite")
