"""Who runs what of an outer step: its work items, and what came back."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from orchestrator.pool.actor import Actor, Call
from orchestrator.pool.work_item import WorkItem, leaves, root_above
from workers.wire.protocol import Block, Contribution, Weights
from workers.wire.remote_contribution import RemoteContribution

#: Who adds contributions: the driver, or the actors, along the same tree.
Reduction = Literal["auto", "driver", "actors"]

# From so many bytes a step on it takes longer to move contributions than to add them elsewhere.
_DRIVER_ADDS_BYTES = 50e6


@dataclass(frozen=True, slots=True, eq=False)
class ItemResult:
    """The answer to a work item. vectors, machine: where it was kept, if it was."""

    answer: Contribution | RemoteContribution
    vectors: Any = None
    machine: str = ""


class Assignment(NamedTuple):
    """An item that an actor is to do now.

    parts: what is to be added, if it is a sum. stays: whether its contribution stays there.
    """

    actor: Actor
    item: WorkItem
    parts: Sequence[ItemResult]
    stays: bool


class Settled(NamedTuple):
    """The place of an answer among others to the same item.

    known: digest of the answer that it must be equal to, "" if there is none. has_copies: whether
    it is used, and others may still come.
    """

    known: str
    has_copies: bool


class StepSchedule:
    """The work items of the step that runs: queued, given to actors, or done.

    deadline_factor: how many times its usual deadline a work item may take. root: where
    contributions are kept, the work item whose answer is all that the step needs.
    """

    def __init__(self) -> None:
        self.lay_out([])

    def begin(
        self, blocks: Sequence[Block], num_actors: int, weights: Weights, reduction: Reduction
    ) -> None:
        """Begin a step: share its blocks out among so many actors, and say who adds."""
        items = leaves(blocks, num_actors)
        self.lay_out(items, summed=is_for_actors(reduction, weights, items))

    def lay_out(self, leaves: Sequence[WorkItem], summed: bool = False) -> None:
        """Queue the work items of a step; what is left of the one before is dropped.

        Args:
          summed: by actors: contributions stay where they are made, and are added there.
        """
        self.deadline_factor = 1
        self.root = root_above(leaves) if summed else None
        self._queue: deque[WorkItem] = deque(leaves)
        self._leaves = list(leaves)
        self._sum_above: dict[WorkItem, WorkItem] = {}
        if self.root is not None:
            self._link(self.root)
        self._num_starts: Counter[WorkItem] = Counter()
        self._errors: Counter[WorkItem] = Counter()
        self._deaths: Counter[WorkItem] = Counter()
        self._losses: Counter[WorkItem] = Counter()
        self._failed_on: dict[WorkItem, Actor] = {}
        self._results: dict[WorkItem, ItemResult] = {}
        self._digests: dict[WorkItem, str] = {}

    @property
    def complete(self) -> bool:
        """Whether all that the step needs is done."""
        if self.root is not None:
            return self.root in self._results
        return len(self._results) == len(self._leaves)

    def contributions(self) -> list[Contribution]:
        """List what came back in order of index, where it was not kept."""
        answers = [self._results[leaf].answer for leaf in self._leaves]
        return [answer for answer in answers if isinstance(answer, Contribution)]

    def result_of(self, item: WorkItem) -> ItemResult | None:
        """Return what came back, unless it is part of a sum that is done, or lost."""
        return self._results.get(item)

    def parts_of(self, item: WorkItem) -> list[ItemResult]:
        """Return what is to be added, all of which is done."""
        return [self._results[part] for part in item.parts]

    def queued(self) -> list[WorkItem]:
        """List what can be given to actors, in order."""
        return list(self._queue)

    def needs(self, call: Call) -> bool:
        """Tell whether the call's answer would be used."""
        return call.wanted and not self._is_settled(call.item)

    def assign(self, item: WorkItem, free: Sequence[Actor], has_others: bool) -> Assignment | None:
        """Take an item from the queue for one of `free`, in order of preference, or for nobody.

        Not for one that has it already, nor for one on which it failed while the step `has_others`.
        A sum is best made on a machine that keeps a part of it.
        """
        failed = self._failed_on.get(item)
        machines = {self._results[part].machine for part in item.parts}
        best = None
        for actor in free:
            if actor.has(item) or (actor is failed and has_others):
                continue
            best = best or actor
            if not machines or actor.machine in machines:
                best = actor
                break
        if best is None:
            return None
        self.start(item)
        return Assignment(best, item, self.parts_of(item), self.root is not None)

    def start(self, item: WorkItem) -> None:
        """Take a work item from the queue: an actor has it."""
        self._queue.remove(item)
        self._num_starts[item] += 1

    def requeue(self, item: WorkItem) -> None:
        """Put an item first in the queue, unless it is there, not needed, or lacks a part."""
        ready = all(part in self._results for part in item.parts)
        if ready and not self._is_settled(item) and item not in self._queue:
            self._queue.appendleft(item)

    def unqueue_calls_of(self, actor: Actor) -> None:
        """Take what an actor has from the queue: it was late, but has answered."""
        held = [call.item for call in actor.calls.values()]
        self._queue = deque(item for item in self._queue if item not in held)

    def settle(self, call: Call, result: ItemResult) -> Settled:
        """Use an answer if the step still needs it; tell what it is to be compared with."""
        item = call.item
        if not self.needs(call):
            return Settled(call.digest, has_copies=False)
        known = self._digests.get(item, "")
        self.finish(item, result)
        return Settled(known, has_copies=self._num_starts[item] > 1)

    def finish(self, item: WorkItem, result: ItemResult) -> None:
        """Settle an item. The sum above it can be made once it is the last of its parts.

        The parts of a sum are let go: their memory is free, and if the sum is lost they are made
        again.
        """
        self._results[item] = result
        if isinstance(result.answer, RemoteContribution):
            self._digests[item] = result.answer.digest
        for part in item.parts:
            self._results.pop(part, None)
        self._queue = deque(other for other in self._queue if not self._is_settled(other))
        if item in self._sum_above:
            self.requeue(self._sum_above[item])

    def count_error(self, item: WorkItem, actor: Actor) -> int:
        """Queue an item that failed on `actor`; return how often it has failed."""
        self._errors[item] += 1
        self._failed_on[item] = actor
        self.requeue(item)
        return self._errors[item]

    def count_death(self, item: WorkItem) -> int:
        """Count an actor that died at an item; return how many have."""
        self._deaths[item] += 1
        return self._deaths[item]

    def count_loss(self, item: WorkItem) -> int:
        """Queue an item again whose result is gone; return how often that happened."""
        self._losses[item] += 1
        self._results.pop(item, None)
        self._queue = deque(other for other in self._queue if item not in other.parts)
        self._requeue_with_parts(item)
        return self._losses[item]

    def extend_deadlines(self) -> None:
        """Double all deadlines of the step: perhaps it is the step that is slow."""
        self.deadline_factor *= 2

    def _link(self, item: WorkItem) -> None:
        for part in item.parts:
            self._sum_above[part] = item
            self._link(part)

    def _is_settled(self, item: WorkItem) -> bool:
        """Whether it is done, or part of a sum that is."""
        at: WorkItem | None = item
        while at is not None:
            if at in self._results:
                return True
            at = self._sum_above.get(at)
        return False

    def _requeue_with_parts(self, item: WorkItem) -> None:
        if item in self._results:
            return
        for part in item.parts:
            self._requeue_with_parts(part)
        self.requeue(item)


def is_for_actors(reduction: Reduction, weights: Weights, items: Sequence[WorkItem]) -> bool:
    """Tell whether actors are to add a step's contributions; never those of held-out blocks."""
    if items[0].blocks[0].kind != "train" or reduction == "driver":
        return False
    size = weights.theta.nbytes + weights.carry.nbytes
    large = len(items) > 1 and size * len(items) > _DRIVER_ADDS_BYTES
    return reduction == "actors" or large
