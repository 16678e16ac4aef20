"""The pool's record of an actor and of its calls."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.pool.work_item import WorkItem
from workers.wire.protocol import Place

_IN_FLIGHT = 2
# An actor is at fault if another took less than this part of its time for the same work.
_SLOWER = 2.0


@dataclass(eq=False)
class Call:
    """A work item that was sent to an actor and is not answered yet.

    item: the work item.
    compiling: whether the actor sees its shape for the first time.
    started: when it came to the head of its actor's queue, in the backend's time.
    vectors: the reference to the vectors that the actor will keep, None if it keeps none.
    parts: results that the actor adds, empty if it runs blocks.
    misses: number of deadlines that it has missed.
    wanted: whether a step waits for it.
    digest: digest of the answer that was used instead, "" if there is none.
    elsewhere_s: seconds that this other answer took.
    """

    item: WorkItem
    compiling: bool
    started: float
    vectors: Any = None
    parts: Sequence[Any] = ()
    misses: int = 0
    wanted: bool = True
    digest: str = ""
    elsewhere_s: float = math.inf

    def abandon(self) -> None:
        """Note that no step waits for the answer any more."""
        self.wanted = False

    def set_other_answer(self, digest: str, took_s: float) -> None:
        """Note that another actor's answer is used; this one will be compared with it."""
        self.wanted, self.digest, self.elsewhere_s = False, digest, took_s

    def is_slower(self, took_s: float) -> bool:
        """Tell whether another actor took much less time than `took_s` for the same work."""
        return took_s > _SLOWER * self.elsewhere_s


@dataclass(eq=False)
class Actor:
    """An actor that is ready, or is starting.

    handle: the backend's handle.
    placing: the call that returns its place, None once answered.
    building: the call that returns when it is built, None once answered.
    since: when it was started or placed, in the backend's time.
    place: its machine and process, None until known.
    calls: unanswered calls by reference, in the order in which it works on them.
    shapes: shapes of the graphs that it has compiled.
    misses: deadlines missed in a row.
    lost: calls lost in a row.
    leaving: whether its machine is being drained.
    """

    handle: Any
    placing: Any
    building: Any
    since: float
    place: Place | None = None
    calls: dict[Any, Call] = field(default_factory=dict)
    shapes: set[Hashable] = field(default_factory=set)
    misses: int = 0
    lost: int = 0
    leaving: bool = False

    @property
    def ready(self) -> bool:
        """Whether it is built."""
        return self.building is None

    @property
    def head(self) -> tuple[Any, Call] | None:
        """The call that it works on, None if it has none."""
        return next(iter(self.calls.items()), None)

    @property
    def is_late(self) -> bool:
        """Whether it has missed a deadline with what it works on."""
        return self.head is not None and self.head[1].misses > 0

    @property
    def free(self) -> bool:
        """Whether it can take more work: one item to do, and one to continue with."""
        return self.ready and not self.is_late and len(self.calls) < _IN_FLIGHT

    @property
    def machine(self) -> str:
        """Ray's id of its machine, "" until it is known."""
        return self.place.node if self.place else ""

    def __str__(self) -> str:
        return f"an actor on {self.place}" if self.place else "an actor that was starting"

    def has(self, item: WorkItem) -> bool:
        """Tell whether one of its calls is for `item`."""
        return any(call.item is item for call in self.calls.values())

    def set_place(self, place: Place, now: float) -> None:
        """Note its place; it builds from now on."""
        self.place, self.placing, self.since = place, None, now

    def set_ready(self, shapes: Sequence[Hashable]) -> None:
        """Note that it is built and has compiled `shapes`."""
        self.building, self.lost = None, 0
        self.shapes.update(shapes)

    def await_start(self, placing: Any, building: Any) -> None:
        """Replace the lost calls of its start with new ones."""
        self.placing, self.building = placing, building

    def set_leaving(self) -> None:
        """Note that its machine is being drained."""
        self.leaving = True

    def start_call(
        self, ref: Any, item: WorkItem, now: float, vectors: Any = None, parts: Sequence[Any] = ()
    ) -> None:
        """Append a call for `item` to its queue."""
        compiling = any(shape not in self.shapes for shape in item.shapes)
        self.calls[ref] = Call(item, compiling, now, vectors, parts)

    def end_call(self, ref: Any, now: float) -> float:
        """Remove a call, and start the clock of the next one.

        Returns:
          seconds that the actor worked on it.
        """
        call = self.calls.pop(ref, None)
        if call is None:
            return 0.0
        if self.head is not None:
            self.head[1].started = now
        return now - call.started

    def finish_call(self, ref: Any, now: float) -> float:
        """Remove an answered call as `end_call` does, and note that the actor is reachable."""
        call = self.calls[ref]
        took_s = self.end_call(ref, now)
        self.shapes.update(call.item.shapes)
        self.lost = 0
        if not call.misses or not call.is_slower(took_s):
            self.misses = 0
        return took_s

    def count_lost_call(self) -> int:
        """Count a lost call; return how many were lost in a row."""
        self.lost += 1
        return self.lost

    def count_miss(self, call: Call, excused: bool) -> None:
        """Count a deadline that a call missed; an `excused` miss is not the actor's fault."""
        call.misses += 1
        self.misses += not excused

    def shift_clocks(self, seconds: float, now: float) -> None:
        """Move all its clocks forward by so many seconds, as if these had not passed."""
        self.since = min(now, self.since + seconds)
        for call in self.calls.values():
            call.started = min(now, call.started + seconds)
