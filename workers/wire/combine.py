"""Contributions of neighbouring blocks as one, along the canonical tree."""

from collections.abc import Sequence

import numpy as np

from workers.wire.protocol import Contribution
from workers.wire.tensors import tree_sum, tree_sum_of_vectors


def combine(contributions: Sequence[Contribution]) -> Contribution:
    """The node of the tree above `contributions`, in order of index; a single one as it is.

    Each but the last must stand for the same number of blocks, a power of two, and the last for
    no more: then the sum of sums has the bits of the sum over all blocks.

    Args:
      contributions: of training blocks, none missing.
    """
    first, last = contributions[0], contributions[-1]
    if first is last:
        return first
    each = first.num_blocks
    assert each & (each - 1) == 0
    assert last.num_blocks <= each
    assert all(c.num_blocks == each for c in contributions[:-1])
    expected = range(first.index, first.index + each * len(contributions), each)
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
