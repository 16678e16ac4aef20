"""Many contributions, one outer gradient."""

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
        _check_layout(contribution, num_parameters, num_carried)
    total = combine(ordered)
    if not _is_finite(total):
        for contribution in [*ordered, total]:  # to name the block
            _check_finite(contribution)
    if not total.num_tasks:
        raise NonFiniteError(
            f"none of the step's {total.num_skipped} tasks gave a finite gradient: nothing is left "
            "to learn from; lower algorithm.inner_lr or outer.lr"
        )
    metrics = {name: float(value) / total.num_tasks for name, value in total.metrics.items()}
    each = np.float32(1 / total.num_tasks)
    if len(ordered) == 1:  # not ours to write into
        return total.gradient * each, total.carry * each, metrics
    for vector in (total.gradient, total.carry):
        vector *= each
    return total.gradient, total.carry, metrics


def fault_of(
    answer: Contribution | RemoteContribution, blocks: Sequence[Block], weights: Weights
) -> str:
    """What is wrong with an answer that claims to be that of `blocks`; "" if nothing."""
    what = answer.contribution if isinstance(answer, RemoteContribution) else answer
    if not isinstance(what, Contribution):
        return f"answered with a {type(answer).__name__}"
    claimed = (what.index, what.num_blocks, what.num_tasks + what.num_skipped)
    if claimed != (blocks[0].index, len(blocks), blocks[-1].hi - blocks[0].lo):
        return "answered for other tasks than it was asked for"
    if blocks[0].kind != "train":
        return ""
    if isinstance(answer, RemoteContribution):
        return _fault_of_kept(answer, weights)
    try:
        _check_layout(what, weights.theta.size, weights.carry.size)
        _check_finite(what)
    except (NonFiniteError, PoolError) as error:
        return f"gave a useless answer ({error})"
    return ""


def digest_of(answer: Contribution | RemoteContribution) -> str:
    """See `workers.wire.remote_contribution.digest`."""
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
