"""A cache of a step's episodes, for further rounds of the same step."""

import hashlib
from collections.abc import Callable, Hashable
from typing import TypeVar

import numpy as np

from workers.wire.protocol import Block, Weights

T = TypeVar("T")


class EpisodeCache:
    """A cache of the episodes of blocks, of the last step alone.

    No result depends on its content: missing episodes are made again, from the same seeds.
    """

    def __init__(self) -> None:
        self._step: Hashable = None
        self._episodes: dict[Hashable, object] = {}

    def get(self, weights: Weights, block: Block, make: Callable[[], T]) -> T:
        """Return the block's episodes at these weights, from the cache or from `make`."""
        step = block.step, _digest(weights.theta, weights.carry)
        if step != self._step:
            self.clear()
            self._step = step
        key = block.lo, block.hi, _digest(*(block.specs[name] for name in sorted(block.specs)))
        if key not in self._episodes:
            self._episodes[key] = make()
        return self._episodes[key]  # type: ignore[return-value]

    def clear(self) -> None:
        """Remove everything from the cache."""
        self._step, self._episodes = None, {}


def _digest(*arrays: object) -> bytes:
    digest = hashlib.blake2b()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
