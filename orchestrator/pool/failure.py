"""Decisions on what to do when a block does not come back. Deciding is pure; only the pool acts."""

from dataclasses import dataclass
from enum import Enum

#: So many exceptions or unusable answers of one block end the run.
MAX_BLOCK_ERRORS = 2
#: So many actors that die while they run the same block end the run: the block kills them.
MAX_BLOCK_DEATHS = 3
#: So many misses in a row replace an actor, if another did the last block in less time.
MAX_MISSES = 2
#: The same if no other did: the block itself may be slow. Each deadline is twice the one before.
MAX_UNPROVEN_MISSES = 5
#: So many calls in a row that are lost on their way to an actor or back replace it.
MAX_LOST_CALLS = 8

_LONGEST_BACK_OFF_S = 30.0


class Event(Enum):
    """An event that happened to a block, or to the actor that should run it."""

    ACTOR_DIED = "the actor died"
    ACTOR_PREEMPTED = "the actor's machine was taken away, as announced"
    ACTOR_REFUSED = "the actor raised an exception while it was made: it would again"
    ACTOR_DIFFERS = "the actor would compute other bits than the driver"
    START_TOO_SLOW = "the actor was not ready within its limit"
    DEADLINE_MISSED = "a block took several times as long as its like"
    CALL_LOST = "the call or its answer was lost, the actor may be well"
    BLOCK_RAISED = "the block raised an exception"
    ANSWER_REJECTED = "the answer has a wrong shape, or is not finite"
    SUM_LOST = "what was kept for the tree's next edge does not come"
    COPIES_DIFFER = "two actors gave different answers for the same block"


class Decision(Enum):
    """An action of the pool in response to an event."""

    RETRY = "run the block again, on whoever is free"
    RETRY_ELSEWHERE = "run the block again, on another actor"
    COPY = "run the block a second time elsewhere; the first answer counts"
    REPLACE = "start a new actor in the old one's place; its blocks go elsewhere at once"
    FAIL = "end the run"


@dataclass(frozen=True, slots=True)
class FailureContext:
    """The facts on which a decision is based, including the present event.

    replaced: actors replaced so far in the run, without this one.
    budget: number of actors that may be replaced.
    block_errors: exceptions and rejected answers of this block.
    block_deaths: actors that died while they ran this block.
    misses: deadlines that the actor missed in a row.
    proven: whether another actor did the block in less time.
    lost: calls of the actor lost in a row, or how often this sum was lost.
    compiling: whether the actor runs a block of this shape for the first time.
    begun: whether the run has begun, so that it can continue without this actor.
    others_ready: whether other actors are ready, so that blocks run meanwhile.
    """

    replaced: int = 0
    budget: int = 0
    block_errors: int = 0
    block_deaths: int = 0
    misses: int = 0
    proven: bool = False
    lost: int = 0
    compiling: bool = False
    begun: bool = True
    others_ready: bool = True


def decide(event: Event, history: FailureContext) -> Decision:
    """Decide what to do about an event.

    A block is a pure function of theta and its tasks, so it may always be run again, or twice. A
    fault that repeats is not retried forever.
    """
    replace = Decision.REPLACE if history.replaced < history.budget else Decision.FAIL
    match event:
        case Event.ACTOR_DIFFERS if history.begun:
            return replace if costs_budget(event, history) else Decision.REPLACE
        case Event.ACTOR_REFUSED | Event.COPIES_DIFFER | Event.ACTOR_DIFFERS:
            return Decision.FAIL
        case Event.ACTOR_PREEMPTED:
            return Decision.REPLACE
        case Event.ACTOR_DIED:
            return replace if history.block_deaths < MAX_BLOCK_DEATHS else Decision.FAIL
        case Event.START_TOO_SLOW:
            return replace
        case Event.DEADLINE_MISSED:
            most = MAX_MISSES if history.proven else MAX_UNPROVEN_MISSES
            early = history.compiling or history.misses < most
            return Decision.COPY if early else replace
        case Event.CALL_LOST:
            return Decision.RETRY if history.lost < MAX_LOST_CALLS else replace
        case Event.SUM_LOST:
            return Decision.RETRY if history.lost < MAX_LOST_CALLS else Decision.FAIL
        case Event.BLOCK_RAISED | Event.ANSWER_REJECTED:
            again = history.block_errors < MAX_BLOCK_ERRORS
            return Decision.RETRY_ELSEWHERE if again else Decision.FAIL


def costs_budget(event: Event, history: FailureContext) -> bool:
    """Tell whether the replacement of an actor is one of those that the budget allows.

    An actor that would compute other bits is no fault of the run's own actors. It costs the budget
    only while none of these is ready: otherwise a run would go on looking for machines for ever.
    """
    if event is Event.ACTOR_DIFFERS:
        return not history.others_ready
    return event is not Event.ACTOR_PREEMPTED


def back_off_s(failed_starts: int) -> float:
    """Return the seconds to wait before a new actor is started.

    Args:
      failed_starts: actors lost in a row, without one becoming ready in between.
    """
    if failed_starts <= 1:
        return 0.0
    return min(2.0 ** min(failed_starts - 2, 10), _LONGEST_BACK_OFF_S)
