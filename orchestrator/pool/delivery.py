"""The way of work items to actors, and of the final sum back.

Sums stay on the actors that compute them: the driver holds references, and fetches the last one.
"""

from collections.abc import Sequence
from typing import Any

from orchestrator.pool.actor import Actor
from orchestrator.pool.actor_set import ActorSet
from orchestrator.pool.backend import ActorDiedError, Backend, CallLostError, CallRaisedError
from orchestrator.pool.deadlines import Deadlines
from orchestrator.pool.step_schedule import Assignment, ItemResult, StepSchedule
from orchestrator.pool.work_item import WorkItem
from workers.wire.protocol import Contribution, Weights
from workers.wire.remote_contribution import RemoteContribution, Vectors

# An actor gives up on a part of a sum after this share of its own deadline. Before any transfer was
# measured, it and the driver wait this long, in which a slow network moves some gigabytes.
_WAIT_FOR_PARTS = 0.5
_FIRST_WAIT_S = 10.0


class Delivery:
    """The delivery of work items to actors, and of the final sum to the driver."""

    def __init__(
        self, backend: Backend, schedule: StepSchedule, actors: ActorSet, deadlines: Deadlines
    ):
        self._backend, self._schedule, self._actors = backend, schedule, actors
        self._deadlines = deadlines
        self._weights: Any = None

    def begin_step(self, weights: Weights) -> None:
        """Share the weights at which the blocks of a step run."""
        self._weights = self._backend.share(weights)

    def dispatch(self) -> None:
        """Send queued items to free actors, those with the fewest calls first."""
        queued = self._schedule.queued()
        if not queued:
            return
        actors = self._actors.for_new_work()
        free = sorted((a for a in actors if a.free), key=lambda actor: len(actor.calls))
        has_others = sum(actor.ready for actor in actors) > 1
        for item in queued:
            if not free:
                break
            assignment = self._schedule.assign(item, free, has_others)
            if assignment is None:
                continue
            self._send(assignment)
            actor = assignment.actor
            free.remove(actor)
            if actor.free:
                free.append(actor)

    def fetch(self, result: ItemResult) -> Contribution:
        """Return a kept contribution with its vectors.

        Raises:
          CallLostError: they do not come.
        """
        began = self._backend.now()
        limit_s = self._deadlines.limit_s("fetch", False, 1, unknown_s=_FIRST_WAIT_S)
        limit_s *= self._schedule.deadline_factor
        if not self._backend.wait([result.vectors], limit_s):
            raise CallLostError(f"it was not there after {limit_s:.1f} s")
        try:
            vectors: Vectors = self._backend.answer(result.vectors)
        except (ActorDiedError, CallRaisedError) as error:
            raise CallLostError(str(error)) from error
        self._deadlines.note("fetch", False, 1, self._backend.now() - began)
        assert isinstance(result.answer, RemoteContribution)
        return result.answer.with_vectors(vectors)

    def _send(self, assignment: Assignment) -> None:
        """Send an item to its actor, and put the call into the actor's queue."""
        backend, vectors = self._backend, None
        actor, item, parts, stays = assignment
        if parts:
            ref, vectors = self._add(actor, item, parts)
        elif stays:
            ref, vectors = backend.run_and_keep(actor.handle, self._weights, item.blocks)
        else:
            ref = backend.run(actor.handle, self._weights, item.blocks)
        actor.start_call(ref, item, backend.now(), vectors, parts)

    def _add(self, actor: Actor, item: WorkItem, parts: Sequence[ItemResult]) -> tuple[Any, Any]:
        """Start a call in which `actor` waits for the parts of a sum and adds them."""
        remote = [part.answer for part in parts if isinstance(part.answer, RemoteContribution)]
        limit_s = self._deadlines.limit_s(
            item.kind, False, item.amount, unknown_s=_FIRST_WAIT_S / _WAIT_FOR_PARTS
        )
        wait_s = limit_s * _WAIT_FOR_PARTS * self._schedule.deadline_factor
        return self._backend.add(actor.handle, remote, [part.vectors for part in parts], wait_s)
