"""A step's episodes, kept until the next step for rounds that need them again."""

import hashlib
from collections.abc import Callable, Hashable
from typing import TypeVar

import numpy as np

from workers.wire.protocol import Block, Weights

T = TypeVar("T")


class EpisodeCache:
    """What was made of a block at theta as it was drawn; of the last step alone.

    Nothing depends on what is in here: what is not is made again, from the same seeds.
    """

    def __init__(self) -> None:
        self._step: Hashable = None
        self._kept: dict[Hashable, object] = {}

    def get(self, weights: Weights, block: Block, make: Callable[[], T]) -> T:
        """What `make` gives, or gave."""
        step = block.step, _digest(weights.theta, weights.carry)
        if step != self._step:
            self.clear()
            self._step = step
        key = block.lo, block.hi, _digest(*(block.specs[name] for name in sorted(block.specs)))
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]  # type: ignore[return-value]

    def clear(self) -> None:
        """Forget all."""
        self._step, self._kept = None, {}


def _digest(*arrays: object) -> bytes:
    digest = hashlib.blake2b()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.digest()
