"""Calls a user's function with the numbers of each task, one by one or for many tasks at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tasks.python.examples import (
    CALLED,
    BadTaskError,
    four_parts,
    stacked,
)
from workers.tasks.python.source import Drawer
from workers.wire.protocol import Draw, Split

#: support x, support y, query x, query y, each [tasks, examples, ...], as the function gives them.
Parts = tuple[NDArray[Any], ...]
#: A group's key: all that its numbers depend on.
_Key = tuple[Draw, Split, int, int, int]


class Draws:
    """Tasks of a draw by their indices: the same, whatever others are asked for with them.

    Task i has the numbers of `draw.generator(i)`. Where the function draws many tasks at once,
    group g is tasks [g * together, (g + 1) * together), and has those of `draw.generator(g)`.
    """

    def __init__(self, drawer: Drawer, together: int):
        self._drawer, self._together = drawer, together if drawer.together else 1
        self._kept: tuple[_Key, Parts] | None = None

    def parts(
        self, draw: Draw, lo: int, hi: int, shots: int, queries: int, split: Split | None = None
    ) -> Parts:
        """Draw tasks [lo, hi), hi > lo.

        Args:
          split: that the function is told; None: the draw's.
        Raises:
          BadTaskError: what it returns are not such tasks. What the function raises goes through,
            with a note of which task it was.
        """
        split = split or draw.split
        if not self._drawer.together:
            return self._one_by_one(draw, lo, hi, shots, queries, split)
        size = self._together
        groups = [
            (number, self._group((draw, split, number, shots, queries)))
            for number in range(lo // size, (hi - 1) // size + 1)
        ]
        cut = [
            [part[max(lo - size * number, 0) : hi - size * number] for part in group]
            for number, group in groups
        ]
        pieces = zip(zip(*cut, strict=True), CALLED, strict=True)
        return tuple(_joined(each, lo, called) for each, called in pieces)

    def forget(self) -> None:
        """Draw groups anew when they are asked for."""
        self._kept = None

    def _one_by_one(
        self, draw: Draw, lo: int, hi: int, shots: int, queries: int, split: Split
    ) -> Parts:
        call = self._drawer.call
        # One generator whose state is set: making one takes as long as drawing a small task.
        generator = draw.generator(lo)
        numbers = generator.bit_generator
        state = numbers.state
        counter = state["state"]["counter"]
        found: list[tuple[Any, Any, Any, Any]] = []
        for index in range(lo, hi):
            counter[2] = index
            numbers.state = state
            try:
                result = call(generator, split, shots, queries)
            except Exception as error:
                error.add_note(f"raised by {self._drawer.said} for task {index}, split {split!r}")
                raise
            found.append(four_parts(result, index))
        return tuple(
            stacked(values, lo, called)
            for values, called in zip(zip(*found, strict=True), CALLED, strict=True)
        )

    def _group(self, key: _Key) -> Parts:
        """All tasks of a group; the last one is kept, since blocks cut it."""
        if self._kept is None or self._kept[0] != key:
            self._kept = key, self._draw_group(*key)
        return self._kept[1]

    def _draw_group(self, draw: Draw, split: Split, number: int, shots: int, queries: int) -> Parts:
        size = self._together
        first = number * size
        try:
            result = self._drawer.call(draw.generator(number), split, size, shots, queries)
        except Exception as error:
            error.add_note(
                f"raised by {self._drawer.said} for tasks {first} to {first + size - 1}, split "
                f"{split!r}"
            )
            raise
        found = four_parts(result, first)
        parts = tuple(
            np.array(stacked(part, first, called)) if len(part) else np.empty(0)
            for part, called in zip(found, CALLED, strict=True)
        )
        for part, called in zip(parts, CALLED, strict=True):
            if len(part) != size:
                raise BadTaskError(
                    first,
                    f"is drawn with others, but their {called} is of {len(part)} tasks, not of "
                    f"num_tasks = {size}, which is its first axis",
                )
        return parts


def _joined(pieces: Sequence[NDArray[Any]], first: int, called: str) -> NDArray[Any]:
    if len(pieces) == 1:
        return pieces[0]
    try:
        return np.concatenate(pieces)
    except ValueError:
        raise BadTaskError(
            first,
            f"has a {called} of shape {list(pieces[0].shape[1:])}, later ones of "
            f"{list(pieces[-1].shape[1:])}; all tasks need as many examples, of one shape",
        ) from None
