"""What is recorded of the episodes of held-out tasks."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from workers.policies.rollouts import Rollout
from workers.wire.protocol import Array, Kind


def record_of(
    kind: Kind, episodes: Rollout, lost: NDArray[np.bool_], reports_success: bool
) -> dict[str, Array]:
    """Record episodes as their block wants, see `Block.kind`; NaN for tasks that are lost.

    Args:
      reports_success: whether the environments say if an episode succeeded; then scores hold
        "success", [tasks], the share of episodes that did.
    """
    record = _RECORDS[kind](episodes)
    if kind == "evaluate" and reports_success:
        record["success"] = episodes.succeeded.mean(axis=-1)
    for values in record.values():
        values[lost] = np.nan
    return record


def stacked(records: Sequence[dict[str, Array]]) -> dict[str, Array]:
    """Stack the records of inner steps, or of a trial's episodes: [tasks, records, ...]."""
    return {name: np.stack([record[name] for record in records], axis=1) for name in records[0]}


def _observed(episodes: Rollout) -> Array:
    """Select the observations, NaN after an episode's end."""
    axes = episodes.observations.ndim - episodes.mask.ndim
    mask = episodes.mask.reshape(*episodes.mask.shape, *[1] * axes)
    observed: Array = np.where(mask == 1, episodes.observations, np.float32(np.nan))
    return observed


_RECORDS: dict[Kind, Callable[[Rollout], dict[str, Array]]] = {
    "evaluate": lambda episodes: {"return": np.mean(episodes.returns, axis=-1)},
    "predict": lambda episodes: {"outputs": _observed(episodes)},
    "adapt": lambda episodes: {"return": episodes.returns},
}
