"""The memory of arrays."""

import sys
from collections.abc import Iterable

from workers.wire.protocol import Array


def sizes_of(arrays: Iterable[Array]) -> dict[int, int]:
    """Return id -> bytes of arrays, each once, with the texts that they refer to."""
    return {id(array): _num_bytes(array) for array in arrays}


def num_bytes(arrays: Iterable[Array]) -> int:
    """Return the bytes of arrays, each counted once; see `sizes_of`."""
    return sum(sizes_of(arrays).values())


def _num_bytes(array: Array) -> int:
    texts = sum(map(sys.getsizeof, array.flat)) if array.dtype == object else 0
    return int(array.nbytes) + texts
