"""Tasks for a picture, without the padding of those that have fewer examples than their arrays."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from workers.wire.protocol import Array, Episode


def without_padding(
    episodes: Episode, outputs: Array, tasks: Sequence[int]
) -> tuple[Episode, Array]:
    """Select tasks and their examples; of several, as many examples of each as the fewest have.

    Args:
      outputs: [tasks, inner_steps + 1, queries, ...].
    """
    support = _chooser(episodes.support_targets[list(tasks)])
    query = _chooser(episodes.query_targets[list(tasks)])
    selected = [arrays[list(tasks)] for arrays in episodes]
    pairs = zip(selected, (support, support, query, query), strict=True)
    by_step = outputs[list(tasks)]
    if outputs.shape[2] == episodes.query_targets.shape[1]:
        by_step = np.moveaxis(query(np.moveaxis(by_step, 2, 1)), 1, 2)
    return Episode(*(choose(arrays) for arrays, choose in pairs)), by_step


def _chooser(targets: Array) -> Callable[[Array], Array]:
    """Return what selects real examples of arrays [tasks, examples, ...] with these targets."""
    is_padding = _is_padding(targets)
    if not is_padding.any():
        return lambda arrays: arrays
    fewest = int((~is_padding).sum(1).min())
    kept = [np.flatnonzero(~own)[:fewest] for own in is_padding]
    return lambda arrays: np.stack([own[rows] for own, rows in zip(arrays, kept, strict=True)])


def _is_padding(targets: Array) -> NDArray[np.bool_]:
    if targets.ndim != 2 and np.issubdtype(targets.dtype, np.floating):
        return np.asarray(np.isnan(targets[..., 0]), np.bool_)
    if targets.ndim == 2 and np.issubdtype(targets.dtype, np.integer):
        return np.asarray(targets.astype(np.int64) < 0, np.bool_)
    return np.zeros(targets.shape[:2], np.bool_)
