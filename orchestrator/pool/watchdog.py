"""Looks at the clocks of actors and their calls, and acts on those that have run out."""

import math

from orchestrator.pool.actor_set import Actor, ActorSet
from orchestrator.pool.backend import Backend
from orchestrator.pool.deadlines import Deadlines
from orchestrator.pool.failure import Event
from orchestrator.pool.recovery import Recovery
from orchestrator.pool.step_schedule import StepSchedule
from workers.wire.errors import PoolError

# Now and then is enough: there may be a thousand actors.
_CHECK_EVERY_S = 0.1
# The driver stood still, rather than its actors, if it comes so much too late.
_OVERSLEPT_S = 1.0


class Watchdog:
    """An actor's clock runs while it starts, and for the call at the head of its queue.

    next_check: when to call `check`, in the backend's time.
    """

    def __init__(
        self,
        backend: Backend,
        actors: ActorSet,
        recovery: Recovery,
        deadlines: Deadlines,
        start_limit_s: float,
        machine_limit_s: float,
    ):
        """Look at the actors of `actors`; `recovery` is told what is late by `deadlines`.

        Args:
          start_limit_s: of an actor that has a machine. machine_limit_s: until the first has one.
        """
        self._machine_limit_s = machine_limit_s
        self._backend, self._actors, self._recovery = backend, actors, recovery
        self._deadlines, self._start_limit_s = deadlines, start_limit_s
        self.next_check = backend.now()

    def wind(self) -> None:
        """The driver begins to listen: it has not overslept before."""
        self.next_check = self._backend.now()

    def check(self, board: StepSchedule) -> None:
        """Act on what is late, if it is time to look."""
        now = self._backend.now()
        overslept_s = now - self.next_check
        if overslept_s < 0:
            return
        if overslept_s > _OVERSLEPT_S:
            self._actors.forgive(overslept_s)
        self.next_check = now + _CHECK_EVERY_S
        for actor in list(self._actors.actors):
            if now < self._alarm(actor, board):
                continue
            if actor.head is None:
                self._end_start(actor, board)
            elif not self._backend.wait([actor.head[0]], 0.0):
                call = actor.head[1]
                self._recovery.miss(actor, call, now - call.started, board)

    def _end_start(self, actor: Actor, board: StepSchedule) -> None:
        if actor.place:
            why = f"was not ready within {self._start_limit_s:g} s"
            self._recovery.bury(Event.START_TOO_SLOW, actor, why, board)
            return
        raise PoolError(
            f"no machine has had room for an actor for {self._machine_limit_s:g} s; add machines, "
            "or lower workers.cpus or workers.gpus"
        )

    def _alarm(self, actor: Actor, board: StepSchedule) -> float:
        """When an actor's clock runs out."""
        if not actor.ready and actor.place is None:
            return math.inf if self._actors.placed else actor.since + self._machine_limit_s
        if not actor.ready:
            return actor.since + self._start_limit_s
        if actor.head is None:
            return math.inf
        call, work = actor.head[1], actor.head[1].work
        limit_s = self._deadlines.limit_s(work.kind, call.compiling, work.amount)
        if work.gathering_kind is not None:
            limit_s += self._deadlines.limit_s(work.gathering_kind, False, work.amount)
        return call.started + limit_s * board.patience * 2**call.misses
