"""An actor as the pool knows it, and the calls that it has."""

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
    """A work item on its way to an actor, in it, or on its way back.

    started: when it came to the head of its actor's queue. compiling: whether the actor sees its
    shape for the first time. vectors: where they will be kept, if they will. parts: what is to be
    added. misses: deadlines that it has missed. wanted: whether a step waits for it. digest: of the
    answer that was used instead, "" if there is none; elsewhere_s: how long that answer took.
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
        """Note that another actor's answer is used, with which this one will be compared."""
        self.wanted, self.digest, self.elsewhere_s = False, digest, took_s

    def is_slower(self, took_s: float) -> bool:
        """Tell whether another actor took much less time than `took_s` for the same work."""
        return took_s > _SLOWER * self.elsewhere_s


@dataclass(eq=False)
class Actor:
    """An actor, ready or on its way to be.

    placing, building: the calls that tell where it is and that it is ready, None once answered.
    since: when it was started, or placed. calls: in the order in which it works on them. shapes:
    graphs that it has compiled. misses, lost: in a row. leaving: its machine is drained.
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
        """The call that it works on."""
        return next(iter(self.calls.items()), None)

    @property
    def is_late(self) -> bool:
        """Whether it has missed a deadline with what it works on."""
        return self.head is not None and self.head[1].misses > 0

    @property
    def free(self) -> bool:
        """Whether it can be given work: one item to do, and one to continue with."""
        return self.ready and not self.is_late and len(self.calls) < _IN_FLIGHT

    @property
    def machine(self) -> str:
        """Ray's id of it, "" until it is known."""
        return self.place.node if self.place else ""

    def __str__(self) -> str:
        return f"an actor on {self.place}" if self.place else "an actor that was starting"

    def has(self, item: WorkItem) -> bool:
        """Tell whether one of its calls is for `item`."""
        return any(call.item is item for call in self.calls.values())

    def set_place(self, place: Place, now: float) -> None:
        """Note where it is; from now on it builds."""
        self.place, self.placing, self.since = place, None, now

    def set_ready(self, shapes: Sequence[Hashable]) -> None:
        """Note that it is built and has compiled `shapes`."""
        self.building, self.lost = None, 0
        self.shapes.update(shapes)

    def await_start(self, placing: Any, building: Any) -> None:
        """Wait for other calls of its start, in the place of lost ones."""
        self.placing, self.building = placing, building

    def set_leaving(self) -> None:
        """Note that its machine is drained."""
        self.leaving = True

    def start_call(
        self, ref: Any, item: WorkItem, now: float, vectors: Any = None, parts: Sequence[Any] = ()
    ) -> None:
        """Put a call for `item` behind those that it has."""
        compiling = any(shape not in self.shapes for shape in item.shapes)
        self.calls[ref] = Call(item, compiling, now, vectors, parts)

    def end_call(self, ref: Any, now: float) -> float:
        """Remove a call; return how long the actor worked on it. The next one's clock starts."""
        call = self.calls.pop(ref, None)
        if call is None:
            return 0.0
        if self.head is not None:
            self.head[1].started = now
        return now - call.started

    def finish_call(self, ref: Any, now: float) -> float:
        """Remove a call that is answered, as `end_call` does: the actor is reachable."""
        call = self.calls[ref]
        took_s = self.end_call(ref, now)
        self.shapes.update(call.item.shapes)
        self.lost = 0
        if not call.misses or not call.is_slower(took_s):
            self.misses = 0
        return took_s

    def count_lost_call(self) -> int:
        """Count a call that was lost; return how many were in a row."""
        self.lost += 1
        return self.lost

    def count_miss(self, call: Call, excused: bool) -> None:
        """Count a deadline that a call missed; an excused one is not the actor's fault."""
        call.misses += 1
        self.misses += not excused

    def shift_clocks(self, seconds: float, now: float) -> None:
        """Let no time have passed for so many seconds."""
        self.since = min(now, self.since + seconds)
        for call in self.calls.values():
            call.started = min(now, call.started + seconds)
