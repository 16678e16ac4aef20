"""The watchdog of a pool: it finds actors and calls that are past their deadline."""

import math

from orchestrator.pool.actor import Actor
from orchestrator.pool.actor_set import ActorSet
from orchestrator.pool.backend import Backend
from orchestrator.pool.deadlines import Deadlines
from orchestrator.pool.failure import Event
from orchestrator.pool.recovery import Recovery
from orchestrator.pool.step_schedule import StepSchedule
from workers.wire.errors import PoolError

# Not at each event: there may be a thousand actors.
_CHECK_EVERY_S = 0.1
# If a check is later than this, the driver stood still rather than its actors.
_OVERSLEPT_S = 1.0


class Watchdog:
    """The watchdog over all actors: over their start, and over the oldest call of each.

    next_check: when to call `check`, in the backend's time.
    """

    def __init__(
        self,
        backend: Backend,
        schedule: StepSchedule,
        actors: ActorSet,
        recovery: Recovery,
        deadlines: Deadlines,
        start_limit_s: float,
        machine_limit_s: float,
    ):
        """Watch `actors`; `recovery` acts on those that are late by `deadlines` and `schedule`.

        Args:
          start_limit_s: seconds in which an actor that has a machine must be ready.
          machine_limit_s: seconds for which there may be no actor with a machine.
        """
        self._backend, self._schedule, self._actors = backend, schedule, actors
        self._recovery, self._deadlines = recovery, deadlines
        self._start_limit_s, self._machine_limit_s = start_limit_s, machine_limit_s
        self.next_check = backend.now()

    def reset(self) -> None:
        """Begin to watch now, so that earlier pauses of the driver do not count."""
        self.next_check = self._backend.now()

    def check(self) -> None:
        """Look for late actors if a check is due, and have recovery act on them.

        Raises:
          MetatrainError: no actor has a machine for too long, or see `Recovery`.
        """
        now = self._backend.now()
        overslept_s = now - self.next_check
        if overslept_s < 0:
            return
        if overslept_s > _OVERSLEPT_S:
            self._actors.shift_clocks(overslept_s)
        self.next_check = now + _CHECK_EVERY_S
        for actor in list(self._actors.actors):
            if now < self._deadline_of(actor):
                continue
            if actor.head is None:
                self._end_start(actor)
            elif not self._backend.wait([actor.head[0]], 0.0):
                call = actor.head[1]
                self._recovery.handle_missed_deadline(actor, call, now - call.started)

    def _end_start(self, actor: Actor) -> None:
        if actor.place:
            why = f"was not ready within {self._start_limit_s:g} s"
            self._recovery.replace_actor(Event.START_TOO_SLOW, actor, why)
            return
        avoided = self._actors.num_avoided
        others = f" (but {avoided}, which would compute other bits)" if avoided else ""
        raise PoolError(
            f"no machine{others} has had room for an actor for {self._machine_limit_s:g} s; add "
            "machines, or lower workers.cpus or workers.gpus"
        )

    def _deadline_of(self, actor: Actor) -> float:
        """Return when an actor is late, in the backend's time."""
        if not actor.ready and actor.place is None:
            if self._actors.placed:
                return math.inf
            return max(actor.since, self._actors.last_placed) + self._machine_limit_s
        if not actor.ready:
            return actor.since + self._start_limit_s
        if actor.head is None:
            return math.inf
        call, item = actor.head[1], actor.head[1].item
        limit_s = self._deadlines.limit_s(item.kind, call.compiling, item.amount)
        if item.gathering_kind is not None:
            limit_s += self._deadlines.limit_s(item.gathering_kind, False, item.amount)
        return call.started + limit_s * self._schedule.deadline_factor * 2**call.misses
