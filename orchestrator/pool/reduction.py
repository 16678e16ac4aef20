"""Who adds contributions: the driver, or the actors, along the same tree.

Sums of actors stay where they are made: the driver has references to them, and fetches the last.
"""

from collections.abc import Sequence
from typing import Any, Literal

from orchestrator.pool.actor_set import Actor, Call
from orchestrator.pool.backend import ActorDiedError, Backend, CallLostError, CallRaisedError
from orchestrator.pool.deadlines import Deadlines
from orchestrator.pool.step_schedule import Done, StepSchedule
from orchestrator.pool.work_item import WorkItem
from workers.wire.protocol import Contribution, Weights
from workers.wire.remote_contribution import RemoteContribution, Vectors

Reduction = Literal["auto", "driver", "actors"]

# From so many bytes a step on it takes longer to move contributions than to add them elsewhere.
_DRIVER_ADDS_BYTES = 50e6
# An actor gives up on a part of a sum before it is late itself, and so does the driver on the sum;
# the first time after so many seconds, in which a slow network moves some gigabytes.
_WAIT_FOR_PARTS = 0.5
_FIRST_WAIT_S = 10.0


def is_for_actors(reduction: Reduction, weights: Weights, works: Sequence[WorkItem]) -> bool:
    """Whether actors are to add the contributions of a step; never those of held-out blocks."""
    if works[0].blocks[0].kind != "train" or reduction == "driver":
        return False
    size = weights.theta.nbytes + weights.carry.nbytes
    large = len(works) > 1 and size * len(works) > _DRIVER_ADDS_BYTES
    return reduction == "actors" or large


class Delivery:
    """Brings works to actors, and the sum of all back."""

    def __init__(self, backend: Backend, deadlines: Deadlines):
        self._backend, self._deadlines = backend, deadlines

    def give(self, actor: Actor, work: WorkItem, shared: Any, board: StepSchedule) -> None:
        """Have `actor` do a work; its call is in the actor's queue from then on."""
        backend, vectors = self._backend, None
        parts = [done for part in work.parts if (done := board.done(part))]
        assert len(parts) == len(work.parts)
        if work.parts:
            kept = [done.answer for done in parts if isinstance(done.answer, RemoteContribution)]
            limit_s = self._deadlines.limit_s(
                work.kind, False, work.amount, unknown_s=_FIRST_WAIT_S / _WAIT_FOR_PARTS
            )
            wait_s = limit_s * _WAIT_FOR_PARTS * board.patience
            references = [done.vectors for done in parts]
            call, vectors = backend.add(actor.handle, kept, references, wait_s)
        elif board.root is not None:
            call, vectors = backend.run_and_keep(actor.handle, shared, work.blocks)
        else:
            call = backend.run(actor.handle, shared, work.blocks)
        compiling = any(shape not in actor.shapes for shape in work.shapes)
        actor.calls[call] = Call(work, compiling, backend.now(), vectors, parts)

    def fetch(self, done: Done, patience: int) -> Contribution:
        """What was kept, here.

        Raises:
          CallLostError: it does not come.
        """
        began = self._backend.now()
        limit_s = self._deadlines.limit_s("fetch", False, 1, unknown_s=_FIRST_WAIT_S) * patience
        if not self._backend.wait([done.vectors], limit_s):
            raise CallLostError(f"it was not there after {limit_s:.1f} s")
        try:
            vectors: Vectors = self._backend.answer(done.vectors)
        except (ActorDiedError, CallRaisedError) as error:
            raise CallLostError(str(error)) from error
        self._deadlines.note("fetch", False, 1, self._backend.now() - began)
        assert isinstance(done.answer, RemoteContribution)
        return done.answer.with_vectors(vectors)
