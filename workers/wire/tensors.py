"""Lists of arrays as flat vectors, and sums in a fixed order."""

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from workers.wire.protocol import Array, Vector

T = TypeVar("T")
Shape = tuple[int, ...]

_CHUNK = 4096


def to_vector(arrays: Sequence[Array]) -> Vector:
    """Flatten and concatenate: [*shape_i] arrays -> float32 [sum of sizes], a new array."""
    if not arrays:
        return np.zeros(0, np.float32)
    return np.concatenate([np.ravel(array) for array in arrays]).astype(np.float32, copy=False)


def from_vector(vector: Vector, shapes: Sequence[Shape]) -> list[Array]:
    """Invert `to_vector`: float32 [sum of sizes] -> new arrays of `shapes`."""
    sizes = [int(np.prod(shape)) for shape in shapes]
    assert vector.shape == (sum(sizes),), (vector.shape, sum(sizes))
    ends = np.cumsum(sizes)
    return [
        vector[end - size : end].reshape(shape).copy()
        for size, end, shape in zip(sizes, ends, shapes, strict=True)
    ]


def tree_sum(leaves: Sequence[T], add: Callable[[T, T], T]) -> T:
    """Sum in a fixed binary tree: neighbours by index, level by level; an odd last one moves up.

    The tree depends on the number of leaves alone, so the sum has the same bits wherever and in
    whatever order the leaves were computed.
    """
    assert leaves
    level = list(leaves)
    while len(level) > 1:
        level = _next_level(level, add)
    return level[0]


def tree_sum_of_vectors(leaves: Sequence[Vector]) -> Vector:
    """Sum as `tree_sum` does, in half the memory: sums of sums overwrite their first part."""
    assert leaves
    level = _next_level(list(leaves), np.add)
    while len(level) > 1:
        level = _next_level(level, lambda ours, other: np.add(ours, other, out=ours))
    return level[0]


def _next_level(level: list[T], add: Callable[[T, T], T]) -> list[T]:
    """Add pairs of neighbours; an odd last one moves up.

    It is never the first of a pair, so above the leaves the first of a pair is always a sum.
    """
    pairs = [add(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
    return pairs + level[len(level) - len(level) % 2 :]


def all_finite(vector: Vector) -> bool:
    """Tell whether no element is inf or nan; if so, in one pass without a temporary array."""
    with np.errstate(invalid="ignore", over="ignore"):
        total = np.add.reduce(vector)
    return bool(np.isfinite(total) or np.isfinite(vector).all())


def squared_norm(vector: Vector) -> float:
    """Compute the sum of squares, float64: numpy within chunks of 4096, the tree across chunks."""
    if not vector.size:
        return 0.0
    chunks = [vector[i : i + _CHUNK] for i in range(0, vector.size, _CHUNK)]
    squares = [float(np.sum(np.square(chunk, dtype=np.float64))) for chunk in chunks]
    return tree_sum(squares, lambda a, b: a + b)


def dot(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Compute the inner product, float64, in an order that no library's threads decide."""
    return float(np.sum(np.multiply(a, b, dtype=np.float64)))


def sha256(arrays: Sequence[Array]) -> str:
    """Compute the identity of theta: sha256 of `to_vector(arrays)` as little-endian bytes."""
    return hashlib.sha256(to_vector(arrays).astype("<f4", copy=False).tobytes()).hexdigest()
