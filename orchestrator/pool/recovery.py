"""Recovery from faults: retries blocks, replaces actors or ends the run, as `decide` says."""

from collections.abc import Callable
from typing import Any

from orchestrator.outer.aggregate import digest_of
from orchestrator.pool.actor import Actor, Call
from orchestrator.pool.actor_set import ActorSet
from orchestrator.pool.backend import ActorDiedError, BackendError, CallRaisedError
from orchestrator.pool.base import Incidents
from orchestrator.pool.failure import (
    MAX_BLOCK_DEATHS,
    Decision,
    Event,
    FailureContext,
    back_off_s,
    costs_budget,
    decide,
)
from orchestrator.pool.step_schedule import StepSchedule
from orchestrator.pool.work_item import WorkItem
from workers.wire.errors import FingerprintError, MetatrainError, PartLostError, PoolError
from workers.wire.protocol import Contribution
from workers.wire.remote_contribution import RemoteContribution


class Recovery:
    """The one place that acts on faults, and its memory of them.

    incidents: counts of the faults that the run has recovered from.
    """

    def __init__(
        self,
        schedule: StepSchedule,
        actors: ActorSet,
        budget: int,
        start_limit_s: float,
        notify: Callable[[str], None],
    ):
        """Replace at most `budget` of `actors`, and queue lost items again in `schedule`.

        Args:
          start_limit_s: seconds that a call that compiles may be late without blame.
          notify: takes a line for the user about each fault.
        """
        self.incidents = Incidents()
        self._begun = False
        self._schedule, self._actors, self._budget = schedule, actors, budget
        self._start_limit_s, self._notify = start_limit_s, notify
        self._replaced = 0
        self._failed_starts = self._refused = 0

    def begin_run(self) -> None:
        """Note that the run has begun, so that it can continue without a refused actor."""
        self._begun = True

    def accept_actor(self, actor: Actor) -> None:
        """Note that an actor is ready, so that starts succeed again."""
        self._failed_starts = self._refused = 0
        if self._begun:
            self._notify(f"{actor} has joined")

    def refuse_actor(self, actor: Actor, differences: list[str]) -> None:
        """Replace an actor that would compute other bits by one on another machine.

        All actors that start on its machine are replaced with it.

        Raises:
          MetatrainError: the run has not begun, or no actor is ready and the budget is used up.
        """
        self._actors.avoid_machine_of(actor)
        self._refused += 1
        why = (
            f"would compute other bits than the driver: {'; '.join(differences)}; use equal "
            "machines, software, data and environment variables"
        )
        self.replace_actor(Event.ACTOR_DIFFERS, actor, why)
        for other in list(self._actors.actors):
            self.check_machine_of(other)

    def check_machine_of(self, actor: Actor) -> None:
        """Replace an actor that starts on a machine on which another was refused.

        Raises:
          MetatrainError: see `refuse_actor`.
        """
        if not actor.ready and self._actors.is_avoided(actor):
            why = "is on the same machine as one that would compute other bits"
            self.replace_actor(Event.ACTOR_DIFFERS, actor, why)

    def handle_failed_call(self, error: BackendError, actor: Actor, ref: Any) -> None:
        """Act on a call that has no answer: its actor died, it was lost, or it raised.

        Raises:
          MetatrainError: this would happen again, or the budget is used up.
        """
        call = actor.calls.get(ref)
        if isinstance(error, ActorDiedError):
            announced = error.preempted or actor.leaving
            event = Event.ACTOR_PREEMPTED if announced else Event.ACTOR_DIED
            self.replace_actor(event, actor, f"died: {error}")
        elif isinstance(error, CallRaisedError):
            self._actors.end_call(actor, ref)
            self._handle_exception(error, actor, call)
        else:
            self._actors.end_call(actor, ref)
            self._retry_lost_call(actor, call, str(error))

    def _handle_exception(self, error: CallRaisedError, actor: Actor, call: Call | None) -> None:
        """Act on an exception in an actor: in its start if there is no `call`, else in a block."""
        if call is None:
            self._refuse_start(actor, error)
        elif self._schedule.needs(call):
            if isinstance(error.cause, PartLostError):
                self.retry_lost_part(call, error.cause)
            else:
                self._retry_elsewhere(actor, call, error)

    def replace_actor(self, event: Event, actor: Actor, why: str, proven: bool = False) -> None:
        """End an actor and start another within the budget; queue its work at once.

        Args:
          proven: see `FailureContext`.
        Raises:
          MetatrainError: the budget is used up, or this would happen again.
        """
        killer = actor.head[1].item if event is Event.ACTOR_DIED and actor.head else None
        deaths = self._schedule.count_death(killer) if killer is not None else 0
        context = self._context(
            misses=actor.misses, proven=proven, lost=actor.lost, block_deaths=deaths
        )
        if decide(event, context) is Decision.FAIL:
            raise self._why_not_replaced(event, actor, why, killer, deaths)
        self.incidents.count("replaced_actors")
        self._replaced += costs_budget(event, context)
        differs = event is Event.ACTOR_DIFFERS
        self._failed_starts += not differs
        delay_s = back_off_s(self._refused if differs else self._failed_starts)
        self._actors.replace_actor(actor, delay_s)
        self._requeue_calls_of(actor, "retried_calls")
        self._notify(
            f"{actor} {why}; its blocks run elsewhere, another actor replaces it"
            + (f" in {delay_s:g} s" if delay_s else "")
        )

    def handle_missed_deadline(self, actor: Actor, call: Call, took_s: float) -> None:
        """Run a late call a second time elsewhere, or replace its actor.

        Raises:
          MetatrainError: see `replace_actor`.
        """
        compiling = call.compiling and took_s < self._start_limit_s
        actor.count_miss(call, excused=compiling)
        proven = call.is_slower(took_s)
        decision = self._decide(
            Event.DEADLINE_MISSED, misses=actor.misses, proven=proven, compiling=compiling
        )
        why = f"has not answered for {took_s:.1f} s"
        if decision is not Decision.COPY:
            if not proven:  # the blocks of this step may be slow, not the actor
                self._schedule.extend_deadlines()
            self.replace_actor(Event.DEADLINE_MISSED, actor, why, proven)
        elif call.misses == 1:
            self._requeue_calls_of(actor, "copied_calls")
            self._notify(f"{actor} {why}: its blocks run a second time elsewhere")

    def retry_lost_part(self, call: Call, error: PartLostError) -> None:
        """Compute again a part of a sum that did not reach the actor that adds it."""
        part = call.item.parts[error.number]
        if self._schedule.result_of(part) is call.parts[error.number]:
            self.retry_lost_sum(part, str(error).partition(": ")[2])
        else:  # it was computed again meanwhile
            self._schedule.requeue(call.item)

    def retry_lost_sum(self, item: WorkItem, why: str) -> None:
        """Compute a lost sum again, and its parts where they are lost too.

        It may only have been late, so the next wait for it is longer.

        Raises:
          PoolError: it was lost too often.
        """
        self.incidents.count("lost_sums")
        self._schedule.extend_deadlines()
        losses = self._schedule.count_loss(item)
        if self._decide(Event.SUM_LOST, lost=losses) is Decision.FAIL:
            raise PoolError(
                f"{item} was lost {losses} times on its way between actors, the last time: {why}"
            )
        self._notify(f"{item} is lost ({why}): it is computed again")

    def reject_answer(self, actor: Actor, call: Call, fault: str) -> None:
        """Drop an answer of a wrong shape or that is not finite; run its item on another actor.

        Raises:
          PoolError: the item was rejected on two actors.
        """
        self.incidents.count("rejected_answers")
        if self._schedule.needs(call):
            self._retry_rejected(actor, call, fault)

    def _retry_rejected(self, actor: Actor, call: Call, fault: str) -> None:
        errors = self._schedule.count_error(call.item, actor)
        if self._decide(Event.ANSWER_REJECTED, block_errors=errors) is Decision.FAIL:
            raise PoolError(
                f"{call.item} gave an unusable answer on {errors} actors; the last, "
                f"{actor}, {fault}"
            )
        self.incidents.count("retried_calls")
        self._notify(f"{actor} {fault}: {call.item} run again elsewhere")

    def check_same_answer(
        self,
        actor: Actor,
        item: WorkItem,
        expected_digest: str,
        answer: Contribution | RemoteContribution,
    ) -> None:
        """Compare a late copy, or a sum that was computed again, with the first answer.

        Args:
          expected_digest: digest of the answer that was used, "" if there is none.
        Raises:
          PoolError: they differ.
        """
        if expected_digest and digest_of(answer) != expected_digest:
            assert self._decide(Event.COPIES_DIFFER) is Decision.FAIL
            raise PoolError(
                f"{item} came out differently on {actor} than on the actor whose answer was used: "
                "a machine computes wrongly, or the model is not a function of its inputs; find "
                "out which before you resume from a checkpoint before that step"
            )

    def _retry_lost_call(self, actor: Actor, call: Call | None, why: str) -> None:
        lost = actor.count_lost_call()
        if call is not None and self._schedule.needs(call):
            self._schedule.requeue(call.item)
        if self._decide(Event.CALL_LOST, lost=lost) is not Decision.RETRY:
            self.replace_actor(Event.CALL_LOST, actor, f"cannot be reached: {why}")
        else:
            self.incidents.count("retried_calls")
            if call is None:
                self._actors.restart_build(actor)

    def _refuse_start(self, actor: Actor, error: CallRaisedError) -> None:
        assert self._decide(Event.ACTOR_REFUSED) is Decision.FAIL
        why = error.cause if isinstance(error.cause, MetatrainError) else error
        raise PoolError(f"{actor} could not be built: {why}") from error.cause

    def _retry_elsewhere(self, actor: Actor, call: Call, error: CallRaisedError) -> None:
        errors = self._schedule.count_error(call.item, actor)
        if self._decide(Event.BLOCK_RAISED, block_errors=errors) is Decision.FAIL:
            raise _as_metatrain_error(
                error, f"{call.item} failed on {errors} actors: "
            ) from error.cause
        self.incidents.count("retried_calls")

    def _requeue_calls_of(self, actor: Actor, incident: str) -> None:
        """Queue those items of an actor that are needed and that no other actor runs."""
        for call in actor.calls.values():
            if self._schedule.needs(call) and not self._actors.is_running(call.item):
                self.incidents.count(incident)
                self._schedule.requeue(call.item)

    def _why_not_replaced(
        self, event: Event, actor: Actor, why: str, killer: WorkItem | None, deaths: int
    ) -> MetatrainError:
        if event is Event.ACTOR_DIFFERS:
            return FingerprintError(f"{actor} {why}")
        if killer is not None and deaths >= MAX_BLOCK_DEATHS:
            return PoolError(
                f"{killer} killed {deaths} actors, one after another (do they exhaust "
                f"the memory?); the last, {actor}, {why}"
            )
        count = "1 actor was" if self._replaced == 0 else f"{self._replaced + 1} actors were"
        return PoolError(
            f"{count} lost, workers.max_failures = {self._budget}; the last, {actor}, {why}"
        )

    def _decide(self, event: Event, **facts: Any) -> Decision:
        return decide(event, self._context(**facts))

    def _context(self, **facts: Any) -> FailureContext:
        return FailureContext(
            replaced=self._replaced,
            budget=self._budget,
            begun=self._begun,
            others_ready=bool(self._actors.ready),
            **facts,
        )


def _as_metatrain_error(error: CallRaisedError, prefix: str) -> MetatrainError:
    """Return the cause if it is a MetatrainError, else a PoolError with its text."""
    if isinstance(error.cause, MetatrainError):
        return error.cause
    return PoolError(f"{prefix}{error}")
