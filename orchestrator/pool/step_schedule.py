"""The schedule of an outer step: its work items, who runs them, and their results."""

from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from orchestrator.pool.actor import Actor, Call
from orchestrator.pool.work_item import WorkItem, leaves, root_above
from workers.wire.protocol import Block, Contribution, Weights
from workers.wire.remote_contribution import RemoteContribution

#: Who adds contributions, along the same tree: the driver or the actors.
Reduction = Literal["auto", "driver", "actors"]

# If a step has more bytes than this, moving contributions takes longer than adding them elsewhere.
_DRIVER_ADDS_BYTES = 50e6


@dataclass(frozen=True, slots=True, eq=False)
class ItemResult:
    """The answer to a work item.

    answer: the contribution, or its summary if the vectors stay on the actor.
    vectors: the reference to the kept vectors, None if they were sent.
    machine: Ray's id of the machine that answered.
    """

    answer: Contribution | RemoteContribution
    vectors: Any = None
    machine: str = ""


class Assignment(NamedTuple):
    """A work item and the actor that should do it now.

    actor: the actor. item: the work item.
    parts: results to add, if the item is a sum.
    stays: whether the contribution stays on the actor.
    """

    actor: Actor
    item: WorkItem
    parts: Sequence[ItemResult]
    stays: bool


class Settled(NamedTuple):
    """The role of an answer among the answers to the same item.

    expected_digest: digest of the answer that it must be equal to, "" if there is none.
    has_copies: whether it is used, and further answers may come.
    """

    expected_digest: str
    has_copies: bool


class StepSchedule:
    """The work items of the current step: queued, sent to actors, or done.

    deadline_factor: multiple of the usual deadline that a work item may take.
    root: the work item whose answer is all that the step needs; None if the driver adds.
    """

    def __init__(self) -> None:
        self.lay_out([])

    def begin(
        self, blocks: Sequence[Block], num_actors: int, weights: Weights, reduction: Reduction
    ) -> None:
        """Begin a step: divide its blocks among actors, and decide who adds."""
        items = leaves(blocks, num_actors)
        self.lay_out(items, summed=is_for_actors(reduction, weights, items))

    def lay_out(self, leaves: Sequence[WorkItem], summed: bool = False) -> None:
        """Queue the work items of a step, and drop those of the step before.

        Args:
          leaves: work items that run blocks.
          summed: whether actors add: contributions stay on the actors, and are added there.
        """
        self.deadline_factor = 1
        self.root = root_above(leaves) if summed else None
        self._queue: OrderedDict[WorkItem, None] = OrderedDict.fromkeys(leaves)
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
        """Whether everything that the step needs is done."""
        if self.root is not None:
            return self.root in self._results
        return len(self._results) == len(self._leaves)

    def contributions(self) -> list[Contribution]:
        """List the contributions that were sent to the driver, in order of index."""
        answers = [self._results[leaf].answer for leaf in self._leaves]
        return [answer for answer in answers if isinstance(answer, Contribution)]

    def result_of(self, item: WorkItem) -> ItemResult | None:
        """Return the result of an item; None if it is missing, lost, or part of a finished sum."""
        return self._results.get(item)

    def parts_of(self, item: WorkItem) -> list[ItemResult]:
        """Return the results that a sum adds; all of them are there."""
        return [self._results[part] for part in item.parts]

    def queued(self) -> list[WorkItem]:
        """List the items that can be sent to actors, in order."""
        return list(self._queue)

    def needs(self, call: Call) -> bool:
        """Tell whether the call's answer would be used."""
        return call.wanted and not self._is_settled(call.item)

    def assign(self, item: WorkItem, free: Sequence[Actor], has_others: bool) -> Assignment | None:
        """Take an item from the queue for one of the actors in `free`, in order of preference.

        An actor is not suitable if it has the item already, or if the item failed on it while the
        step `has_others`. A machine that keeps a part of a sum is preferred.

        Returns:
          None if no actor is suitable.
        """
        best = self._best_actor(item, free, has_others)
        if best is None:
            return None
        self.start(item)
        return Assignment(best, item, self.parts_of(item), self.root is not None)

    def _best_actor(self, item: WorkItem, free: Sequence[Actor], has_others: bool) -> Actor | None:
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
        return best

    def start(self, item: WorkItem) -> None:
        """Take a work item from the queue because an actor has it."""
        del self._queue[item]
        self._num_starts[item] += 1

    def requeue(self, item: WorkItem) -> None:
        """Put an item first in the queue, unless it is queued, not needed, or lacks a part."""
        ready = all(part in self._results for part in item.parts)
        if ready and not self._is_settled(item) and item not in self._queue:
            self._queue[item] = None
            self._queue.move_to_end(item, last=False)

    def unqueue_calls_of(self, actor: Actor) -> None:
        """Take the items of an actor from the queue, because it was late but has answered."""
        for call in actor.calls.values():
            self._queue.pop(call.item, None)

    def settle(self, call: Call, result: ItemResult) -> Settled:
        """Use an answer if the step still needs it; return what it must be compared with."""
        item = call.item
        if not self.needs(call):
            return Settled(call.digest, has_copies=False)
        expected_digest = self._digests.get(item, "")
        self.finish(item, result)
        return Settled(expected_digest, has_copies=self._num_starts[item] > 1)

    def finish(self, item: WorkItem, result: ItemResult) -> None:
        """Store the result of an item, and queue the sum above it if no other part is missing.

        The parts of a finished sum are dropped to free their memory; if the sum is lost they are
        computed again.
        """
        self._results[item] = result
        if isinstance(result.answer, RemoteContribution):
            self._digests[item] = result.answer.digest
        for part in item.parts:
            self._results.pop(part, None)
        self._unqueue_with_parts(item)
        if item in self._sum_above:
            self.requeue(self._sum_above[item])

    def count_error(self, item: WorkItem, actor: Actor) -> int:
        """Queue an item that failed on `actor`; return how often it has failed."""
        self._errors[item] += 1
        self._failed_on[item] = actor
        self.requeue(item)
        return self._errors[item]

    def count_death(self, item: WorkItem) -> int:
        """Count an actor that died while it ran an item; return how many did."""
        self._deaths[item] += 1
        return self._deaths[item]

    def count_loss(self, item: WorkItem) -> int:
        """Queue an item whose result is lost; return how often it was lost."""
        self._losses[item] += 1
        self._results.pop(item, None)
        if item in self._sum_above:
            self._queue.pop(self._sum_above[item], None)
        self._requeue_with_parts(item)
        return self._losses[item]

    def extend_deadlines(self) -> None:
        """Double all deadlines of the step, because the step itself may be slow."""
        self.deadline_factor *= 2

    def _link(self, item: WorkItem) -> None:
        for part in item.parts:
            self._sum_above[part] = item
            self._link(part)

    def _is_settled(self, item: WorkItem) -> bool:
        """Tell whether an item is done, or part of a sum that is done."""
        ancestor: WorkItem | None = item
        while ancestor is not None and ancestor not in self._results:
            ancestor = self._sum_above.get(ancestor)
        return ancestor is not None

    def _unqueue_with_parts(self, item: WorkItem) -> None:
        """Take from the queue what an item settles: itself, and the parts of a sum."""
        self._queue.pop(item, None)
        for part in item.parts:
            self._unqueue_with_parts(part)

    def _requeue_with_parts(self, item: WorkItem) -> None:
        if item not in self._results:
            for part in item.parts:
                self._requeue_with_parts(part)
            self.requeue(item)


def is_for_actors(reduction: Reduction, weights: Weights, items: Sequence[WorkItem]) -> bool:
    """Tell whether actors add the contributions of a step; they never add held-out blocks."""
    may_stay = items[0].blocks[0].kind == "train" and reduction != "driver"
    size = weights.theta.nbytes + weights.carry.nbytes
    large = len(items) > 1 and size * len(items) > _DRIVER_ADDS_BYTES
    return may_stay and (reduction == "actors" or large)
