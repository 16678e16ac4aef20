"""Sums of the contributions of neighbouring blocks, along the canonical tree."""

from collections.abc import Sequence

import numpy as np

from workers.wire.protocol import Contribution
from workers.wire.tensors import tree_sum, tree_sum_of_vectors


def combine(contributions: Sequence[Contribution]) -> Contribution:
    """Sum contributions to their parent node in the tree; return a single one unchanged.

    Each but the last must cover the same number of blocks, a power of two, and the last at most as
    many: then the sum of sums has the same bits as the sum over all blocks.

    Args:
      contributions: of training blocks, in order of index, without gaps.
    """
    first, last = contributions[0], contributions[-1]
    if first is last:
        return first
    size = first.num_blocks
    assert size & (size - 1) == 0
    assert last.num_blocks <= size
    assert all(c.num_blocks == size for c in contributions[:-1])
    expected = range(first.index, first.index + size * len(contributions), size)
    assert [c.index for c in contributions] == list(expected)
    return Contribution(
        index=first.index,
        num_tasks=sum(c.num_tasks for c in contributions),
        gradient=tree_sum_of_vectors([c.gradient for c in contributions]),
        carry=tree_sum_of_vectors([c.carry for c in contributions]),
        metrics={
            name: tree_sum([np.asarray(c.metrics[name], np.float64) for c in contributions], np.add)
            for name in first.metrics
        },
        seconds=sum(c.seconds for c in contributions),
        num_blocks=sum(c.num_blocks for c in contributions),
        num_skipped=sum(c.num_skipped for c in contributions),
    )
