"""Who runs what of an outer step: its works, and what came back."""

from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.pool.actor_set import Actor, Call
from orchestrator.pool.work_item import WorkItem, root_above
from workers.wire.protocol import Contribution
from workers.wire.remote_contribution import RemoteContribution


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """What came back. vectors, machine: where it was kept, if it was."""

    answer: Contribution | RemoteContribution
    vectors: Any = None
    machine: str = ""


class StepSchedule:
    """The works of a step.

    todo: what can be given out. patience: how many times its usual deadline a work may take.
    root: where contributions are kept, the work whose answer is all that the step needs.
    """

    def __init__(self, leaves: Sequence[WorkItem], summed: bool = False):
        """Lay out a step.

        Args:
          summed: by actors: contributions stay where they are made, and are added there.
        """
        self.todo: deque[WorkItem] = deque(leaves)
        self.patience = 1
        self.root = root_above(leaves) if summed else None
        self._leaves = list(leaves)
        self._above: dict[WorkItem, WorkItem] = {}
        if self.root is not None:
            self._link(self.root)
        self._given: Counter[WorkItem] = Counter()
        self._errors: Counter[WorkItem] = Counter()
        self._deaths: Counter[WorkItem] = Counter()
        self._losses: Counter[WorkItem] = Counter()
        self._failed_on: dict[WorkItem, Actor] = {}
        self._done: dict[WorkItem, Done] = {}
        self._digests: dict[WorkItem, str] = {}

    @property
    def complete(self) -> bool:
        """Whether all that the step needs is done."""
        return self.root in self._done if self.root else len(self._done) == len(self._leaves)

    def contributions(self) -> list[Contribution]:
        """In order of index, where they were not kept."""
        done = [self._done[leaf].answer for leaf in self._leaves]
        return [answer for answer in done if isinstance(answer, Contribution)]

    def done(self, work: WorkItem) -> Done | None:
        """What came back for a work, unless it is part of a sum that is done, or lost."""
        return self._done.get(work)

    def give_out(self, work: WorkItem) -> None:
        """Take a work from the queue: somebody has it."""
        self.todo.remove(work)
        self._given[work] += 1

    def is_copied(self, work: WorkItem) -> bool:
        """Whether a work was given out more than once."""
        return self._given[work] > 1

    def give_back(self, work: WorkItem) -> None:
        """Put a work at the front of the queue, unless it is there, not needed, or lacks a part."""
        ready = all(part in self._done for part in work.parts)
        if ready and not self._is_settled(work) and work not in self.todo:
            self.todo.appendleft(work)

    def fail(self, work: WorkItem, actor: Actor) -> int:
        """A work failed on `actor`: it is for others to try again. How often it has failed."""
        self._errors[work] += 1
        self._failed_on[work] = actor
        self.give_back(work)
        return self._errors[work]

    def count_death(self, work: WorkItem) -> int:
        """An actor died while it was at a work. How many have."""
        self._deaths[work] += 1
        return self._deaths[work]

    def wants(self, call: Call) -> bool:
        """Whether the call's answer would be used."""
        return call.wanted and not self._is_settled(call.work)

    def take_back(self, actor: Actor) -> None:
        """An actor that was late has answered: what it still has need not run elsewhere."""
        held = [call.work for call in actor.calls.values()]
        self.todo = deque(work for work in self.todo if work not in held)

    def settle(self, work: WorkItem, done: Done) -> None:
        """A work is done. The sum above it can be given out once it is the last of its parts.

        The parts of a sum are let go: their memory is free, and if the sum is lost they are made
        again.
        """
        self._done[work] = done
        if isinstance(done.answer, RemoteContribution):
            self._digests[work] = done.answer.digest
        for part in work.parts:
            self._done.pop(part, None)
        self.todo = deque(other for other in self.todo if not self._is_settled(other))
        if work in self._above:
            self.give_back(self._above[work])

    def digest_of(self, work: WorkItem) -> str:
        """Of the answer that was kept, and perhaps lost; "" if there was none."""
        return self._digests.get(work, "")

    def lose(self, work: WorkItem) -> int:
        """What was kept for a work is gone: it is to be made again. How often that happened."""
        self._losses[work] += 1
        self._done.pop(work, None)
        self.todo = deque(other for other in self.todo if work not in other.parts)
        self._make_again(work)
        return self._losses[work]

    def taker(self, work: WorkItem, free: Sequence[Actor], others: bool) -> Actor | None:
        """Who of `free`, in order of preference, is to do a work now.

        Not one that has it already, nor one on which it failed while there are `others`. A sum is
        best made on a machine that keeps a part of it.
        """
        failed = self._failed_on.get(work)
        machines = {self._done[part].machine for part in work.parts}
        best = None
        for actor in free:
            if any(call.work is work for call in actor.calls.values()):
                continue
            if actor is failed and others:
                continue
            if not machines or actor.machine in machines:
                return actor
            best = best or actor
        return best

    def _link(self, work: WorkItem) -> None:
        for part in work.parts:
            self._above[part] = work
            self._link(part)

    def _is_settled(self, work: WorkItem) -> bool:
        """Whether it is done, or part of a sum that is."""
        at: WorkItem | None = work
        while at is not None:
            if at in self._done:
                return True
            at = self._above.get(at)
        return False

    def _make_again(self, work: WorkItem) -> None:
        if work in self._done:
            return
        for part in work.parts:
            self._make_again(part)
        self.give_back(work)
