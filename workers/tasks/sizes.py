"""Shots and queries that are a range: drawn for each task and class, and padded to the most.

Arrays have room for the most examples. Where there are fewer, a row of `PADDING` follows, the
input of the set's first example stands in its place, and its target says that it is none.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.settings.section import Size
from workers.wire.protocol import Array

#: Shots and queries of one class in one task.
Sizes = tuple[int, int]
#: Indices of examples, or `PADDING`.
Rows = NDArray[np.int32]
#: In place of an example's index: there is none.
PADDING = -1


def least(size: Size) -> int:
    """Return the size, or the least of a range."""
    return size[0] if isinstance(size, tuple) else size


def most(size: Size) -> int:
    """Return the size, or the most of a range."""
    return size[1] if isinstance(size, tuple) else size


def has_ranges(task: Any) -> bool:
    """Tell whether the settings of tasks give a range for ways, shots or queries."""
    sizes = (getattr(task, name, None) for name in ("ways", "shots", "queries"))
    return any(isinstance(size, tuple) for size in sizes)


def most_ways(ways: Size | None) -> int:
    """Return the most classes of a task that are asked for; 2 if nothing is."""
    return most(ways) if ways is not None else 2


def described(size: Size) -> int | str:
    """Return the size, or a range in words: "1 to 10"."""
    return f"{size[0]} to {size[1]}" if isinstance(size, tuple) else size


def needs(shots: Size, queries: Size) -> str:
    """Say what is asked for, in messages."""
    return f"shots = {described(shots)} and queries = {described(queries)}"


def at_most(room: int) -> Callable[[int, int], bool]:
    """Return what a class holds that has `room` examples for both sets."""
    return lambda shots, queries: shots + queries <= room


def holds_both(support: int, query: int) -> Callable[[int, int], bool]:
    """Return what a class holds that has so many examples for each set."""
    return lambda shots, queries: shots <= support and queries <= query


def draw_sizes(
    rng: np.random.Generator, shots: Size, queries: Size, holds: Callable[[int, int], bool]
) -> Sizes:
    """Draw how many support and query examples a class has in a task; numbers draw nothing.

    Shots are uniform in their range, then queries in theirs, as far as the class has so many.

    Args:
      holds: whether the class has so many of each; true for the least of both.
    """
    if not (isinstance(shots, tuple) or isinstance(queries, tuple)):
        return shots, queries
    few = least(queries)
    support = int(rng.integers(least(shots), 1 + _largest(shots, lambda n: holds(n, few))))
    query = int(rng.integers(few, 1 + _largest(queries, lambda n: holds(support, n))))
    return support, query


def draw_rows(
    rng: np.random.Generator,
    parts: Sequence[Rows],
    shots: Size,
    queries: Size,
    asked: Sequence[Rows] = (),
) -> tuple[Rows, Rows]:
    """Draw support and query rows of each class, different ones, class by class.

    Args:
      parts: the rows of each class. asked: those that queries are drawn from; empty: the same.
    Returns:
      int32 [classes * shots] and [classes * queries], padded.
    """
    room = [at_most(len(part)) for part in parts]
    if asked:
        room = [holds_both(len(own), len(other)) for own, other in zip(parts, asked, strict=True)]
    sizes = [draw_sizes(rng, shots, queries, holds) for holds in room]
    chosen = [
        rng.choice(part, few if asked else few + more, replace=False)
        for part, (few, more) in zip(parts, sizes, strict=True)
    ]
    support = [rows[:few] for rows, (few, _) in zip(chosen, sizes, strict=True)]
    query = [rows[few:] for rows, (few, _) in zip(chosen, sizes, strict=True)]
    if asked:
        pairs = zip(asked, sizes, strict=True)
        query = [rng.choice(part, more, replace=False) for part, (_, more) in pairs]
    return (
        np.concatenate([padded(rows, shots) for rows in support]),
        np.concatenate([padded(rows, queries) for rows in query]),
    )


def draw_ways(rng: np.random.Generator, ways: Size) -> int:
    """Draw how many classes a task has, uniformly in a range; a number draws nothing."""
    return int(rng.integers(ways[0], 1 + ways[1])) if isinstance(ways, tuple) else ways


def empty_rows(num_tasks: int, *sizes: Size) -> Rows:
    """Make int32 [num_tasks, most of each size] of `PADDING`, for classes and rows to be drawn."""
    return np.full((num_tasks, *map(most, sizes)), PADDING, np.int32)


def padded(rows: Rows, size: Size) -> Rows:
    """Return rows [n] with `PADDING` up to the most of a range."""
    missing = most(size) - len(rows)
    return np.pad(rows, (0, missing), constant_values=PADDING) if missing else rows


def filled(rows: Array) -> Array:
    """Put the first example of [..., examples] in place of padding.

    Of [tasks, classes, examples], classes that a task lacks get the first example of its first one.
    """
    is_padding = rows == PADDING
    if not is_padding.any():
        return rows
    rows = np.where(is_padding, rows[..., :1], rows)
    return np.where(rows == PADDING, rows[..., :1, :1], rows) if rows.ndim == 3 else rows


def filled_classes(classes: Array) -> Array:
    """Put the first class of [tasks, classes] in place of those that a task lacks."""
    return np.where(classes == PADDING, classes[:, :1], classes)


def real(rows: Rows) -> Rows:
    """Select what is no padding, flat and in order."""
    return rows[rows != PADDING]


def marked(targets: Array, rows: Array) -> Array:
    """Mark the targets of padding: a class is `PADDING`, numbers are NaN.

    Args:
      targets: int [...], or float [..., d]. rows: [...], with `PADDING`.
    """
    is_padding = rows == PADDING
    if not is_padding.any():
        return targets
    if np.issubdtype(targets.dtype, np.integer):
        return np.where(is_padding, targets.dtype.type(PADDING), targets)
    return np.where(is_padding[..., None], targets.dtype.type(np.nan), targets)


def _largest(size: Size, holds: Callable[[int], bool]) -> int:
    """Return the largest number of a range that holds; the least one does."""
    low, high = least(size), most(size)
    if holds(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low
