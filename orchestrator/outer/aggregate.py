"""The aggregation of contributions into one outer gradient."""

from collections.abc import Sequence

import numpy as np

from workers.wire.combine import combine
from workers.wire.errors import NonFiniteError, PoolError
from workers.wire.protocol import Block, Contribution, Vector, Weights
from workers.wire.remote_contribution import RemoteContribution, array_spec, digest
from workers.wire.tensors import all_finite


def aggregate(
    contributions: Sequence[Contribution], num_parameters: int, num_carried: int
) -> tuple[Vector, Vector, dict[str, float]]:
    """Combine the contributions of a step in the canonical tree.

    Args:
      contributions: contributions of all blocks of the step, in any order.
      num_parameters: length of theta as a vector. num_carried: length of the carry.
    Returns:
      means over the tasks that were not skipped: the outer gradient, float32 [num_parameters], the
      carry, float32 [num_carried], and each metric.
    Raises:
      NonFiniteError, PoolError: a contribution must not reach theta, or no task is left.
    """
    ordered = sorted(contributions, key=lambda contribution: contribution.index)
    assert ordered[0].index == 0
    for contribution in ordered:
        _check_layout(contribution, num_parameters, num_carried)
    total = combine(ordered)
    if not _is_finite(total):
        for contribution in [*ordered, total]:  # the error names the block
            _check_finite(contribution)
    if not total.num_tasks:
        raise NonFiniteError(
            f"none of the step's {total.num_skipped} tasks gave a finite gradient: nothing is left "
            "to learn from; lower algorithm.inner_lr or outer.lr"
        )
    metrics = {name: float(value) / total.num_tasks for name, value in total.metrics.items()}
    share = np.float32(1 / total.num_tasks)
    if len(ordered) == 1:  # the arrays belong to the caller
        return total.gradient * share, total.carry * share, metrics
    for vector in (total.gradient, total.carry):
        vector *= share
    return total.gradient, total.carry, metrics


def fault_of(
    answer: Contribution | RemoteContribution, blocks: Sequence[Block], weights: Weights
) -> str:
    """Return what is wrong with an answer for `blocks`; "" if nothing is."""
    contribution = answer.contribution if isinstance(answer, RemoteContribution) else answer
    if not isinstance(contribution, Contribution):
        return f"answered with a {type(answer).__name__}"
    num_tasks = contribution.num_tasks + contribution.num_skipped
    claimed = (contribution.index, contribution.num_blocks, num_tasks)
    if claimed != (blocks[0].index, len(blocks), blocks[-1].hi - blocks[0].lo):
        return "answered for other tasks than it was asked for"
    if blocks[0].kind != "train":
        return ""
    if isinstance(answer, RemoteContribution):
        return _fault_of_kept(answer, weights)
    try:
        _check_layout(contribution, weights.theta.size, weights.carry.size)
        _check_finite(contribution)
    except (NonFiniteError, PoolError) as error:
        return f"gave a useless answer ({error})"
    return ""


def digest_of(answer: Contribution | RemoteContribution) -> str:
    """Return the digest of an answer; see `workers.wire.remote_contribution.digest`."""
    return answer.digest if isinstance(answer, RemoteContribution) else digest(answer)


def _fault_of_kept(kept: RemoteContribution, weights: Weights) -> str:
    expected = [array_spec(weights.theta), array_spec(weights.carry)]
    if kept.array_specs != expected:
        return f"keeps {kept.array_specs} for a gradient and a carry like {expected}"
    return "" if kept.finite else "keeps an outer gradient or a carry that is not finite"


def _check_layout(contribution: Contribution, num_parameters: int, num_carried: int) -> None:
    for what, vector, size in (
        ("an outer gradient", contribution.gradient, num_parameters),
        ("a carry", contribution.carry, num_carried),
    ):
        if vector.shape != (size,) or vector.dtype != np.float32:
            raise PoolError(
                f"block {contribution.index} returned {vector.dtype} {list(vector.shape)} for "
                f"{what} of float32 [{size}]"
            )


def _check_finite(contribution: Contribution) -> None:
    for what, vector in (
        ("an outer gradient", contribution.gradient),
        ("a carry", contribution.carry),
    ):
        if not all_finite(vector):
            raise NonFiniteError(f"block {contribution.index} returned {what} that is not finite")


def _is_finite(contribution: Contribution) -> bool:
    return all_finite(contribution.gradient) and all_finite(contribution.carry)
