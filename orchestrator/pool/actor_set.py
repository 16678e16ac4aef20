"""The actors that there are, and the openings for new ones."""

import math
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestrator.outer.aggregate import digest_of
from orchestrator.pool.backend import Backend
from orchestrator.pool.work_item import WorkItem
from workers.wire.protocol import Block, Contribution, Place
from workers.wire.remote_contribution import RemoteContribution

_IN_FLIGHT = 2
_LOOK_EVERY_S = 2.0


@dataclass(eq=False)
class Call:
    """A work on its way to an actor, in it, or on its way back.

    started: when it came to the head of its actor's queue. compiling: whether the actor sees its
    shape for the first time. vectors: where they will be kept, if they will. parts: what is to be
    added. misses: deadlines that it has missed. wanted: whether a step waits for it. digest: of the
    answer that was used instead, "" if there is none; elsewhere_s: how long that answer took.
    """

    work: WorkItem
    compiling: bool
    started: float
    vectors: Any = None
    parts: Sequence[Any] = ()
    misses: int = 0
    wanted: bool = True
    digest: str = ""
    elsewhere_s: float = math.inf


@dataclass(eq=False)
class Actor:
    """What the pool knows of an actor.

    placing, building: the calls that tell where it is and that it is ready, None once answered.
    since: when it was started, or placed. misses, lost: in a row. leaving: its machine is drained.
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
    def suspect(self) -> bool:
        """Whether it is late with what it works on."""
        return self.head is not None and self.head[1].misses > 0

    @property
    def free(self) -> bool:
        """Whether it can be given a work: one to do, and one to go on with."""
        return self.ready and not self.suspect and len(self.calls) < _IN_FLIGHT

    @property
    def machine(self) -> str:
        """Ray's id of it, "" until it is known."""
        return self.place.node if self.place else ""

    def __str__(self) -> str:
        return f"an actor on {self.place}" if self.place else "an actor that was starting"


class ActorSet:
    """Keeps as many actors as are wanted, in number and on machines that stay.

    wanted: how many. avoid: machines on which no actor is to be started.
    """

    def __init__(
        self,
        backend: Backend,
        count: int,
        elastic: bool,
        examples: Sequence[Block],
        notify: Callable[[str], None],
    ):
        """Start `count` actors.

        Args:
          elastic: use machines that join, up to an actor per block.
          examples: blocks that an actor runs before it is ready, so that it has compiled them.
        """
        self._backend, self._elastic, self._examples = backend, elastic, examples
        self._notify = notify
        self._openings: deque[float] = deque()
        self._looked = backend.now()
        self.actors: list[Actor] = []
        self.avoid: list[str] = []
        for _ in range(count):
            self._hire()

    @property
    def ready(self) -> list[Actor]:
        """The actors that are built."""
        return [actor for actor in self.actors if actor.ready]

    @property
    def placed(self) -> list[Actor]:
        """The actors that have a machine."""
        return [actor for actor in self.actors if actor.place]

    @property
    def complete(self) -> bool:
        """Whether all that are wanted are ready."""
        return not self._openings and all(actor.ready for actor in self.actors)

    def next_opening(self) -> float:
        """When `tend` has something to do."""
        return min([self._looked + _LOOK_EVERY_S, *self._openings])

    def tend(self, num_blocks: int) -> None:
        """Start actors that are due, and look at the cluster every other second."""
        now = self._backend.now()
        for _ in range(sum(at <= now for at in self._openings)):
            self._openings.remove(min(self._openings))
            self._hire()
        for actor in [a for a in self.actors if a.leaving and not a.calls]:
            self._dismiss(actor)
        if now - self._looked >= _LOOK_EVERY_S:
            self._looked = now
            self._look_at_machines(num_blocks)

    def replace(self, actor: Actor, delay_s: float) -> None:
        """End an actor, and start another after so many seconds."""
        self._dismiss(actor)
        if not actor.leaving:  # its successor was called when its machine was drained
            self._openings.append(self._backend.now() + delay_s)

    def forgive(self, seconds: float) -> None:
        """The driver itself stood still for so long: nobody is late by that."""
        now = self._backend.now()
        for actor in self.actors:
            actor.since = min(now, actor.since + seconds)
            for call in actor.calls.values():
                call.started = min(now, call.started + seconds)

    def disown(self) -> None:
        """A new step begins: what an interrupted one has left behind is not wanted any more."""
        for actor in self.actors:
            for call in actor.calls.values():
                call.wanted = False

    def runs(self, work: WorkItem) -> bool:
        """Whether an actor has the work that has missed no deadline with what it has."""
        return any(
            call.work is work
            for actor in self.actors
            if not actor.suspect
            for call in actor.calls.values()
        )

    def mark_copies(
        self, work: WorkItem, answer: Contribution | RemoteContribution, took_s: float
    ) -> None:
        """`work` is done: what others will still answer is to be compared with this."""
        for actor in self.actors:
            for call in actor.calls.values():
                if call.work is work:
                    call.wanted, call.digest, call.elsewhere_s = False, digest_of(answer), took_s

    def build_again(self, actor: Actor) -> None:
        """Ask anew, where the calls of the start were lost."""
        actor.placing = self._backend.place(actor.handle)
        actor.building = self._backend.build(actor.handle, self._examples)

    def close(self) -> None:
        """End all."""
        for actor in list(self.actors):
            self._dismiss(actor)
        self._openings.clear()

    def _hire(self) -> None:
        handle = self._backend.start(self.avoid)
        placing = self._backend.place(handle)
        building = self._backend.build(handle, self._examples)
        self.actors.append(Actor(handle, placing, building, self._backend.now()))

    def _dismiss(self, actor: Actor) -> None:
        self.actors.remove(actor)
        self._backend.end(actor.handle)

    def _look_at_machines(self, num_blocks: int) -> None:
        machines = self._backend.machines()
        for actor in self.actors:
            place = actor.place
            if place is None or actor.leaving or place.node not in machines.draining:
                continue
            actor.leaving = True
            self._openings.append(self._backend.now())
            self._notify(f"{place.host} is being drained: {actor} gets no more blocks")
        staying = sum(not actor.leaving for actor in self.actors) + len(self._openings)
        more = min(machines.slots, num_blocks) - staying
        if self._elastic and more > 0:
            self._notify(f"there is room for {more} more actor{'s' if more > 1 else ''}: starting")
            for _ in range(more):
                self._hire()
