"""Many contributions, one outer gradient."""

from collections.abc import Sequence

import numpy as np

from workers.combine import combine
from workers.errors import NonFiniteError, PoolError
from workers.protocol import Contribution, Vector


def aggregate(
    contributions: Sequence[Contribution], num_parameters: int, num_carried: int
) -> tuple[Vector, Vector, dict[str, float]]:
    """Combine a step's blocks in the canonical tree.

    Args:
      contributions: of all blocks of a step, in any order.
    Returns:
      means over tasks: the outer gradient, float32 [num_parameters], the carry, float32
      [num_carried], and each metric.
    Raises:
      NonFiniteError, PoolError: a contribution that must not reach theta.
    """
    ordered = sorted(contributions, key=lambda contribution: contribution.index)
    assert ordered[0].index == 0
    for contribution in ordered:
        _check(contribution.index, contribution.gradient, num_parameters, "n outer gradient")
        _check(contribution.index, contribution.carry, num_carried, " carry")
    total = combine(ordered)
    metrics = {name: float(value) / total.num_tasks for name, value in total.metrics.items()}
    each = np.float32(1 / total.num_tasks)
    return total.gradient * each, total.carry * each, metrics


def _check(index: int, vector: Vector, size: int, what: str) -> None:
    if vector.shape != (size,) or vector.dtype != np.float32:
        raise PoolError(
            f"block {index} returned {vector.dtype} {list(vector.shape)} for a{what} of float32 "
            f"[{size}]"
        )
    if not np.isfinite(vector).all():
        raise NonFiniteError(f"block {index} returned a{what} that is not finite")
