"""Acts on losses as `failure.decide` says: blocks go elsewhere, actors are replaced, runs end."""

from collections.abc import Callable
from typing import Any

from orchestrator.outer.aggregate import digest_of
from orchestrator.pool.actor_set import Actor, ActorSet, Call
from orchestrator.pool.backend import CallRaisedError
from orchestrator.pool.base import Incidents
from orchestrator.pool.failure import (
    MAX_BLOCK_DEATHS,
    Decision,
    Event,
    FailureContext,
    back_off_s,
    decide,
)
from orchestrator.pool.step_schedule import StepSchedule
from orchestrator.pool.work_item import WorkItem
from workers.wire.errors import FingerprintError, MetatrainError, PoolError
from workers.wire.protocol import Contribution
from workers.wire.remote_contribution import RemoteContribution

# An actor is at fault if another took less than this part of its time for the same block.
_SLOWER = 2.0


class Recovery:
    """The memory of what went wrong in a run, and the hand that mends it.

    begun: whether the run has begun, so that it can go on without an actor that is refused.
    """

    def __init__(
        self, actors: ActorSet, budget: int, start_limit_s: float, notify: Callable[[str], None]
    ):
        self.incidents = Incidents()
        self.begun = False
        self._actors, self._budget = actors, budget
        self._start_limit_s, self._notify = start_limit_s, notify
        self._replaced = 0
        self._failed_starts = 0

    def welcome(self, actor: Actor) -> None:
        """An actor is ready: whatever kept others from it is over."""
        self._failed_starts = actor.lost = 0
        if self.begun:
            self._notify(f"{actor} has joined")

    def bury(
        self, event: Event, actor: Actor, why: str, board: StepSchedule, proven: bool = False
    ) -> None:
        """End an actor and start another, within the budget; its works go elsewhere at once.

        Args:
          proven: see `FailureContext`.
        Raises:
          MetatrainError: the budget is used up, or this would happen again.
        """
        killer = actor.head[1].work if event is Event.ACTOR_DIED and actor.head else None
        deaths = board.count_death(killer) if killer is not None else 0
        decision = self._decide(
            event,
            misses=actor.misses,
            proven=proven,
            lost=actor.lost,
            block_deaths=deaths,
        )
        if decision is Decision.FAIL:
            if event is Event.ACTOR_DIFFERS:
                raise FingerprintError(f"{actor} {why}")
            if killer is not None and deaths >= MAX_BLOCK_DEATHS:
                raise PoolError(
                    f"{killer} killed {deaths} actors, one after another (do they exhaust "
                    f"the memory?); the last, {actor}, {why}"
                )
            count = "1 actor was" if self._replaced == 0 else f"{self._replaced + 1} actors were"
            raise PoolError(
                f"{count} lost, workers.max_failures = {self._budget}; the last, {actor}, {why}"
            )
        self.incidents.replaced_actors += 1
        self._replaced += event is not Event.ACTOR_PREEMPTED
        self._failed_starts += 1
        delay_s = back_off_s(self._failed_starts)
        self._actors.replace(actor, delay_s)
        for call in actor.calls.values():
            if board.wants(call) and not self._actors.runs(call.work):
                self.incidents.retried_calls += 1
                board.give_back(call.work)
        self._notify(
            f"{actor} {why}; its blocks run elsewhere, another takes its place"
            + (f" in {delay_s:g} s" if delay_s else "")
        )

    def lose(self, actor: Actor, call: Call | None, why: str, board: StepSchedule) -> None:
        """A call was lost on its way: again at once, unless that goes on and on."""
        actor.lost += 1
        if call is not None and board.wants(call):
            board.give_back(call.work)
        if self._decide(Event.CALL_LOST, lost=actor.lost) is not Decision.RETRY:
            self.bury(Event.CALL_LOST, actor, f"cannot be reached: {why}", board)
            return
        self.incidents.retried_calls += 1
        if call is None:
            self._actors.build_again(actor)

    def take_error(
        self, actor: Actor, call: Call | None, error: CallRaisedError, board: StepSchedule
    ) -> None:
        """Code in an actor raised: the block goes to another one, or the run ends."""
        if call is None:
            assert self._decide(Event.ACTOR_REFUSED) is Decision.FAIL
            ours = isinstance(error.cause, MetatrainError)
            why = error.cause if ours else error
            raise PoolError(f"{actor} could not be made: {why}") from error.cause
        if board.wants(call):
            errors = board.fail(call.work, actor)
            if self._decide(Event.BLOCK_RAISED, block_errors=errors) is Decision.FAIL:
                what = f"{call.work} failed on {errors} actors: "
                raise _as_ours(error, what) from error.cause
            self.incidents.retried_calls += 1

    def reject(self, actor: Actor, call: Call, fault: str, board: StepSchedule) -> None:
        """An answer has a wrong shape or is not finite: it never reaches theta."""
        self.incidents.rejected_answers += 1
        if not board.wants(call):
            return
        errors = board.fail(call.work, actor)
        if self._decide(Event.ANSWER_REJECTED, block_errors=errors) is Decision.FAIL:
            raise PoolError(
                f"{call.work} gave what cannot be used on {errors} actors; the last, "
                f"{actor}, {fault}"
            )
        self.incidents.retried_calls += 1
        self._notify(f"{actor} {fault}: {call.work} run again elsewhere")

    def rebuild(self, work: WorkItem, why: str, board: StepSchedule) -> None:
        """What was kept for a work does not come: it is made again, its parts too if need be.

        Perhaps it was on its way: the next wait for it is longer.
        """
        self.incidents.lost_sums += 1
        board.patience *= 2
        losses = board.lose(work)
        if self._decide(Event.SUM_LOST, lost=losses) is Decision.FAIL:
            raise PoolError(
                f"{work} was lost {losses} times on its way between actors, the last time: {why}"
            )
        self._notify(f"{work} is lost ({why}): it is made again")

    def compare(
        self, actor: Actor, work: WorkItem, known: str, answer: Contribution | RemoteContribution
    ) -> None:
        """A late copy, or what was lost and made again, must be what it was the first time.

        Args:
          known: digest of the answer that was used, "" if there is none.
        """
        if not known or digest_of(answer) == known:
            return
        assert self._decide(Event.COPIES_DIFFER) is Decision.FAIL
        raise PoolError(
            f"{work} came out differently on {actor} than on the actor whose answer "
            "was used: a machine computes wrongly, or the model is not a function of its inputs; "
            "find out which before you go on from a checkpoint before that step"
        )

    def miss(self, actor: Actor, call: Call, took_s: float, board: StepSchedule) -> None:
        """A deadline passed: a second copy elsewhere, or the actor's end."""
        call.misses += 1
        compiling = call.compiling and took_s < self._start_limit_s
        actor.misses += not compiling
        proven = is_slower(took_s, call)
        decision = self._decide(
            Event.DEADLINE_MISSED, misses=actor.misses, proven=proven, compiling=compiling
        )
        why = f"has not answered for {took_s:.1f} s"
        if decision is not Decision.COPY:
            if not proven:  # perhaps the blocks of this step are slow, not the actor
                board.patience *= 2
            self.bury(Event.DEADLINE_MISSED, actor, why, board, proven)
        elif call.misses == 1:
            for waiting in actor.calls.values():
                if board.wants(waiting) and not self._actors.runs(waiting.work):
                    board.give_back(waiting.work)
                    self.incidents.copied_calls += 1
            self._notify(f"{actor} {why}: its blocks run a second time elsewhere")

    def _decide(self, event: Event, **known: Any) -> Decision:
        history = FailureContext(
            replaced=self._replaced, budget=self._budget, begun=self.begun, **known
        )
        return decide(event, history)


def is_slower(took_s: float, call: Call) -> bool:
    """Whether another actor took much less time for the same block."""
    return took_s > _SLOWER * call.elsewhere_s


def _as_ours(error: CallRaisedError, what: str) -> MetatrainError:
    """Our own errors keep their kind and words."""
    if isinstance(error.cause, MetatrainError):
        return error.cause
    return PoolError(f"{what}{error}")
