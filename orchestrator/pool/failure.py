"""What to do when a block does not come back. Deciding is pure; only the pool acts."""

from dataclasses import dataclass
from enum import Enum

#: Exceptions of a block, or answers of it that cannot be used, that end the run.
MAX_BLOCK_ERRORS = 2
#: Actors that may die while they run the same block: it kills whoever takes it.
MAX_BLOCK_DEATHS = 3
#: Deadlines in a row that an actor misses, the last with a block that another did in less time.
MAX_MISSES = 2
#: The same where nobody has: it may be the block that is slow. Each deadline is twice the last.
MAX_UNPROVEN_MISSES = 5
#: Calls in a row that may be lost on their way to an actor or back.
MAX_LOST_CALLS = 8

_LONGEST_BACK_OFF_S = 30.0


class Event(Enum):
    """What happened to a block, or to the actor that was to run it."""

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
    """What the pool does about it."""

    RETRY = "run the block again, on whoever is free"
    RETRY_ELSEWHERE = "run the block again, on another actor"
    COPY = "run the block a second time elsewhere; the first answer counts"
    REPLACE = "start a new actor in the old one's place; its blocks go elsewhere at once"
    FAIL = "end the run"


@dataclass(frozen=True, slots=True)
class FailureContext:
    """What is known when the decision is taken, the present event included.

    replaced: actors replaced so far in the run, without this one. budget: how many may be.
    block_errors: exceptions and rejected answers of this block. block_deaths: actors that died
    while they ran it.
    misses: of the actor, in a row. lost: calls of the actor in a row, or how often this sum was
    lost. proven: whether another did the block in less time.
    compiling: whether the actor runs a block of this shape for the first time.
    begun: whether all actors were ready once, so that the run goes on without this one.
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


def decide(event: Event, history: FailureContext) -> Decision:
    """The decision on an event.

    A block is a pure function of theta and its tasks, so running it again, or twice, is always
    right; what would happen again is not tried forever.
    """
    replace = Decision.REPLACE if history.replaced < history.budget else Decision.FAIL
    match event:
        case Event.ACTOR_REFUSED | Event.COPIES_DIFFER:
            return Decision.FAIL
        case Event.ACTOR_PREEMPTED:
            return Decision.REPLACE
        case Event.ACTOR_DIED:
            return replace if history.block_deaths < MAX_BLOCK_DEATHS else Decision.FAIL
        case Event.ACTOR_DIFFERS:
            return replace if history.begun else Decision.FAIL
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


def back_off_s(failed_starts: int) -> float:
    """Seconds to wait before a new actor is started.

    Args:
      failed_starts: actors that went, one after another, without one becoming ready in between.
    """
    if failed_starts <= 1:
        return 0.0
    return min(2.0 ** min(failed_starts - 2, 10), _LONGEST_BACK_OFF_S)
