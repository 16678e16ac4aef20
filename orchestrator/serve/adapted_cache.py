"""Adapted weights of support sets that a replica asked lately; any can be computed again."""

from collections import OrderedDict

from orchestrator.serve.array_sizes import num_bytes
from orchestrator.serve.served_model import SupportSet
from workers.wire.protocol import Adapted


class AdaptedCache:
    """The least recently used weights go first."""

    def __init__(self, most_bytes: int):
        self._most_bytes, self._num_bytes = most_bytes, 0
        self._kept: OrderedDict[str, tuple[SupportSet, Adapted]] = OrderedDict()

    def get(self, key: str) -> tuple[SupportSet, Adapted] | None:
        """Return a support set and the weights adapted to it; None: they are not here."""
        if key not in self._kept:
            return None
        self._kept.move_to_end(key)
        return self._kept[key]

    def put(self, key: str, support: SupportSet, adapted: Adapted) -> None:
        """Keep weights."""
        self.drop(key)
        self._kept[key] = support, adapted
        self._num_bytes += _size(support, adapted)
        while self._num_bytes > self._most_bytes and len(self._kept) > 1:
            self.drop(next(iter(self._kept)))

    def drop(self, key: str) -> None:
        """Drop weights, if they are here."""
        if key in self._kept:
            self._num_bytes -= _size(*self._kept.pop(key))


def _size(support: SupportSet, adapted: Adapted) -> int:
    return num_bytes((*support.arrays, *adapted))
