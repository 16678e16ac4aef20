"""Calls a user's function with the numbers of each task, one by one or for many tasks at once."""

import itertools
from collections.abc import Sequence
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tasks.python.examples import CALLED, four_parts, stacked
from workers.tasks.python.labels import BadTaskError
from workers.tasks.python.packing import Packing
from workers.tasks.python.source import Drawer
from workers.user_code.blame import CallError
from workers.wire.protocol import Draw, Split

#: support x, support y, query x, query y, each [tasks, examples, ...], as the function gives them.
Parts = tuple[NDArray[Any], ...]
_INPUTS = ("support x", "query x")
#: Where a task's index stands in the counter of `Draw.generator`.
_INDEX = 2
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
        # Tasks are built ahead in another thread, and a user's function need not allow for two.
        self._lock = Lock()
        self.packing = Packing()

    def parts(
        self,
        draw: Draw,
        tasks: list[int],
        shots: int,
        queries: int,
        split: Split | None = None,
    ) -> Parts:
        """Draw one task or more, by their indices.

        Args:
          split: that the function is told; None: the draw's.
        Raises:
          BadTaskError: what it returns are not such tasks. CallError: it raised.
        """
        with self._lock:
            return self._parts(draw, tasks, shots, queries, split or draw.split)

    def _parts(self, draw: Draw, tasks: list[int], shots: int, queries: int, split: Split) -> Parts:
        if not self._drawer.together:
            return self._one_by_one(draw, tasks, shots, queries, split)
        size, lo, hi = self._together, tasks[0], tasks[-1] + 1
        number = lo // size
        if hi <= (number + 1) * size and tasks == list(range(lo, hi)):  # all of one group
            group = self._group((draw, split, number, shots, queries))
            return tuple(part[lo - number * size : hi - number * size] for part in group)
        pieces = []
        for number, own in itertools.groupby(tasks, lambda task: task // size):
            places = [task - number * size for task in own]
            group = self._group((draw, split, number, shots, queries))
            pieces.append([part[places] for part in group])
        each = zip(zip(*pieces, strict=True), CALLED, strict=True)
        return tuple(_joined(parts, tasks[0], called) for parts, called in each)

    def _one_by_one(
        self, draw: Draw, tasks: Sequence[int], shots: int, queries: int, split: Split
    ) -> Parts:
        call = self._drawer.call
        # One generator whose state is set: making one takes as long as drawing a small task.
        generator = draw.generator()
        numbers = generator.bit_generator
        state: dict[str, Any] = dict(numbers.state)
        # Lists: an array's items take three times as long to read.
        counter, key = (state["state"][name].tolist() for name in ("counter", "key"))
        state |= {"state": {"counter": counter, "key": key}, "buffer": state["buffer"].tolist()}
        found: list[tuple[Any, Any, Any, Any]] = []
        for index in tasks:
            counter[_INDEX] = index
            numbers.state = state
            try:
                result = call(generator, split, shots, queries)
            except (Exception, SystemExit) as error:
                raise CallError(f"task {index}", error) from error
            found.append(four_parts(result, index))
        each = zip(zip(*found, strict=True), CALLED, strict=True)
        return tuple(self._stacked(values, tasks, called) for values, called in each)

    def _stacked(self, values: Any, tasks: Sequence[int], called: str) -> NDArray[Any]:
        """Stack the arrays of several tasks; dicts of inputs become one array of vectors."""
        first = values if isinstance(values, dict) else values[0] if len(values) else None
        if called in _INPUTS and (isinstance(first, dict) or self.packing.parts):
            return self.packing.pack(values, tasks, called)
        return stacked(values, tasks, called)

    def _group(self, key: _Key) -> Parts:
        """All tasks of a group; the last one is kept, since blocks cut it."""
        if self._kept is None or self._kept[0] != key:
            self._kept = key, self._draw_group(*key)
        return self._kept[1]

    def _draw_group(self, draw: Draw, split: Split, number: int, shots: int, queries: int) -> Parts:
        size = self._together
        first = number * size
        tasks = range(first, first + size)
        try:
            result = self._drawer.call(draw.generator(number), split, size, shots, queries)
        except (Exception, SystemExit) as error:
            raise CallError(f"tasks {first} to {first + size - 1}", error) from error
        found = four_parts(result, first)
        parts = tuple(
            self._stacked(_listed(part), tasks, called)
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


def _listed(part: Any) -> Any:
    """Split into the tasks' parts; return nothing for what is not an array."""
    if isinstance(part, (list, tuple, dict)):
        return part
    found = np.asarray(part)
    return found if found.ndim else [found]
