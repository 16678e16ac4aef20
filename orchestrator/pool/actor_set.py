"""The actors of a pool, and those that are due to start."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.pool.actor import Actor
from orchestrator.pool.backend import Backend
from orchestrator.pool.work_item import WorkItem
from workers.wire.protocol import Block

_LOOK_EVERY_S = 2.0


class ActorSet:
    """The set of a pool's actors, kept at its size and on machines that stay.

    last_placed: when an actor with a machine last ended, in the backend's time; at first the start.
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
          elastic: start more actors where machines join, up to one per block.
          examples: blocks that an actor runs before it is ready, so that it has compiled them.
          notify: takes a line for the user when machines join or are drained.
        """
        self._backend, self._elastic, self._examples = backend, elastic, examples
        self._notify = notify
        self._starts_due: deque[float] = deque()
        self._last_look = self.last_placed = backend.now()
        self._machines_to_avoid: list[str] = []
        self.actors: list[Actor] = []
        for _ in range(count):
            self._start_actor()

    @property
    def ready(self) -> list[Actor]:
        """The actors that are built."""
        return [actor for actor in self.actors if actor.ready]

    @property
    def placed(self) -> list[Actor]:
        """The actors that have a machine."""
        return [actor for actor in self.actors if actor.place]

    @property
    def num_avoided(self) -> int:
        """The number of machines on which no more actors are started."""
        return len(self._machines_to_avoid)

    @property
    def complete(self) -> bool:
        """Whether all actors are ready and none is due to start."""
        return not self._starts_due and all(actor.ready for actor in self.actors)

    def for_new_work(self) -> list[Actor]:
        """List the actors on machines that stay, or all actors if none of these is ready."""
        staying = [actor for actor in self.actors if not actor.leaving]
        return staying if any(actor.ready for actor in staying) else self.actors

    def pending(self) -> dict[Any, Actor]:
        """Map each call without an answer to its actor."""
        pending: dict[Any, Actor] = {}
        for actor in self.actors:
            for ref in (*actor.calls, actor.placing, actor.building):
                if ref is not None:
                    pending[ref] = actor
        return pending

    def is_running(self, item: WorkItem) -> bool:
        """Tell whether an actor that is not late has the work item."""
        return any(actor.has(item) for actor in self.actors if not actor.is_late)

    def next_update(self) -> float:
        """Return when `update` is due next, in the backend's time."""
        return min([self._last_look + _LOOK_EVERY_S, *self._starts_due])

    def update(self, num_blocks: int) -> None:
        """Start the actors that are due, and look at the cluster every other second.

        Args:
          num_blocks: blocks of the step, the most actors that are useful.
        """
        now = self._backend.now()
        for _ in range(sum(at <= now for at in self._starts_due)):
            self._starts_due.remove(min(self._starts_due))
            self._start_actor()
        if any(actor.ready and not actor.leaving for actor in self.actors):
            for actor in [a for a in self.actors if a.leaving and not a.calls]:
                self._end_actor(actor)
        if now - self._last_look >= _LOOK_EVERY_S:
            self._last_look = now
            self._look_at_machines(num_blocks)

    def replace_actor(self, actor: Actor, delay_s: float) -> None:
        """End an actor, and start another in `delay_s` seconds."""
        self._end_actor(actor)
        if not actor.leaving:  # its successor was called when its machine was drained
            self._starts_due.append(self._backend.now() + delay_s)

    def avoid_machine_of(self, actor: Actor) -> None:
        """Start no more actors on the machine of `actor`."""
        if actor.place and not self.is_avoided(actor):
            self._machines_to_avoid.append(actor.place.node)

    def is_avoided(self, actor: Actor) -> bool:
        """Tell whether `actor` is on a machine on which no more actors are started."""
        return actor.machine in self._machines_to_avoid

    def restart_build(self, actor: Actor) -> None:
        """Repeat the calls of an actor's start after they were lost."""
        place = self._backend.place(actor.handle)
        actor.await_start(place, self._backend.build(actor.handle, self._examples))

    def end_call(self, actor: Actor, ref: Any) -> float:
        """Remove a call that is over; return the seconds that the actor worked on it."""
        return actor.end_call(ref, self._backend.now())

    def abandon_calls(self) -> None:
        """Mark all unanswered calls as unwanted, because a new step begins."""
        for actor in self.actors:
            for call in actor.calls.values():
                call.abandon()

    def set_other_answer(self, item: WorkItem, digest: str, took_s: float) -> None:
        """Note the answer that is used for `item`, so that later answers are compared with it."""
        for actor in self.actors:
            for call in actor.calls.values():
                if call.item is item:
                    call.set_other_answer(digest, took_s)

    def shift_clocks(self, seconds: float) -> None:
        """Extend all deadlines by so many seconds, during which the driver itself stood still."""
        now = self._backend.now()
        self.last_placed = min(now, self.last_placed + seconds)
        for actor in self.actors:
            actor.shift_clocks(seconds, now)

    def close(self) -> None:
        """End all actors."""
        for actor in list(self.actors):
            self._end_actor(actor)
        self._starts_due.clear()

    def _start_actor(self) -> None:
        handle = self._backend.start(self._machines_to_avoid)
        placing = self._backend.place(handle)
        building = self._backend.build(handle, self._examples)
        self.actors.append(Actor(handle, placing, building, self._backend.now()))

    def _end_actor(self, actor: Actor) -> None:
        self.actors.remove(actor)
        if actor.place:
            self.last_placed = self._backend.now()
        self._backend.end(actor.handle)

    def _look_at_machines(self, num_blocks: int) -> None:
        machines = self._backend.machines()
        for actor in self.actors:
            place = actor.place
            if place is None or actor.leaving or place.node not in machines.draining:
                continue
            actor.set_leaving()
            self._starts_due.append(self._backend.now())
            self._notify(
                f"{place.host} is being drained: {actor} gets no more blocks once another is ready"
            )
        staying = sum(not actor.leaving for actor in self.actors) + len(self._starts_due)
        more = min(machines.slots, num_blocks) - staying
        if self._elastic and more > 0:
            self._notify(f"there is room for {more} more actor{'s' if more > 1 else ''}: starting")
            for _ in range(more):
                self._start_actor()
