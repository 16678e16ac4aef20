"""Many contributions, one outer gradient."""

import hashlib
from collections.abc import Sequence

import numpy as np

from workers.combine import combine
from workers.errors import NonFiniteError, PoolError
from workers.protocol import Block, Contribution, Vector, Weights


def aggregate(
    contributions: Sequence[Contribution], num_parameters: int, num_carried: int
) -> tuple[Vector, Vector, dict[str, float]]:
    """Combine a step's blocks in the canonical tree.

    Args:
      contributions: of all blocks of a step, in any order.
    Returns:
      means over the tasks that were not skipped: the outer gradient, float32 [num_parameters], the
      carry, float32 [num_carried], and each metric.
    Raises:
      NonFiniteError, PoolError: a contribution that must not reach theta, or no task is left.
    """
    ordered = sorted(contributions, key=lambda contribution: contribution.index)
    assert ordered[0].index == 0
    for contribution in ordered:
        _check(contribution.index, contribution.gradient, num_parameters, "n outer gradient")
        _check(contribution.index, contribution.carry, num_carried, " carry")
    total = combine(ordered)
    if not total.num_tasks:
        raise NonFiniteError(
            f"none of the step's {total.num_skipped} tasks gave a finite gradient: nothing is left "
            "to learn from; lower algorithm.inner_lr or outer.lr"
        )
    metrics = {name: float(value) / total.num_tasks for name, value in total.metrics.items()}
    each = np.float32(1 / total.num_tasks)
    return total.gradient * each, total.carry * each, metrics


def fault_of(answer: Contribution, node: Sequence[Block], weights: Weights) -> str:
    """What is wrong with an answer that claims to be the contribution of `node`; "" if nothing."""
    if not isinstance(answer, Contribution):
        return f"answered with a {type(answer).__name__}"
    claimed = (answer.index, answer.num_blocks, answer.num_tasks + answer.num_skipped)
    if claimed != (node[0].index, len(node), node[-1].hi - node[0].lo):
        return "answered for other tasks than it was asked for"
    if node[0].kind != "train":
        return ""
    try:
        _check(answer.index, answer.gradient, weights.theta.size, "n outer gradient")
        _check(answer.index, answer.carry, weights.carry.size, " carry")
    except (NonFiniteError, PoolError) as error:
        return f"gave a useless answer ({error})"
    return ""


def digest(answer: Contribution) -> str:
    """The identity of an answer: sha256 of all that the run takes from it."""
    content = hashlib.sha256(f"{answer.index} {answer.num_tasks} {answer.num_blocks}".encode())
    named = sorted(answer.metrics.items())
    for name, array in [("gradient", answer.gradient), ("carry", answer.carry), *named]:
        content.update(f"{name} {array.dtype} {array.shape}".encode())
        content.update(np.ascontiguousarray(array).tobytes())
    return content.hexdigest()


def _check(index: int, vector: Vector, size: int, what: str) -> None:
    if vector.shape != (size,) or vector.dtype != np.float32:
        raise PoolError(
            f"block {index} returned {vector.dtype} {list(vector.shape)} for a{what} of float32 "
            f"[{size}]"
        )
    if not np.isfinite(vector).all():
        raise NonFiniteError(f"block {index} returned a{what} that is not finite")
