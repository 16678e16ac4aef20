"""What to do when a block does not come back. Deciding is pure; only the pool acts."""

from dataclasses import dataclass
from enum import Enum

MAX_USER_ERRORS = 2


class Event(Enum):
    """What happened to a block."""

    ACTOR_DIED = "the actor died"
    ACTOR_REFUSED = "the actor could not be made: it would fail again"
    USER_ERROR = "the block raised an exception"


class Decision(Enum):
    """What the pool does about it."""

    REPLACE_AND_RETRY = "start a new actor, run the block on another one at once"
    RETRY_ELSEWHERE = "run the block on another actor"
    FAIL = "end the run"


@dataclass(frozen=True, slots=True)
class History:
    """What is known when the decision is taken.

    replaced: actors replaced so far in the run; budget: how many may be.
    user_errors: exceptions of this block so far, the present one included.
    """

    replaced: int
    budget: int
    user_errors: int


def decide(event: Event, history: History) -> Decision:
    """A dead actor is replaced within the budget; an exception must happen twice to count.

    What an actor raises while it is made, it would raise again.

    A block is a pure function of theta and its tasks, so running it again is always right.
    """
    if event is Event.ACTOR_REFUSED:
        return Decision.FAIL
    if event is Event.ACTOR_DIED:
        within = history.replaced < history.budget
        return Decision.REPLACE_AND_RETRY if within else Decision.FAIL
    if history.user_errors < MAX_USER_ERRORS:
        return Decision.RETRY_ELSEWHERE
    return Decision.FAIL
