"""A pool of actors that may die, stop, answer late, or answer wrongly.

A block is a pure function, so it may be run again, or twice, and the first answer counts. The pool
queues each block in the schedule of the step, sends it to an actor, waits, and takes the answer.
recovery.py acts on losses. Everything that Ray does is behind `backend.Backend`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.outer.aggregate import digest_of, fault_of
from orchestrator.pool.actor import Actor, Call
from orchestrator.pool.actor_set import ActorSet
from orchestrator.pool.backend import Backend, BackendError, CallLostError
from orchestrator.pool.base import Incidents
from orchestrator.pool.deadlines import Deadlines
from orchestrator.pool.delivery import Delivery
from orchestrator.pool.recovery import Recovery
from orchestrator.pool.startup import StartupBarrier
from orchestrator.pool.step_schedule import ItemResult, Reduction, StepSchedule
from orchestrator.pool.watchdog import Watchdog
from orchestrator.pool.work_item import WorkItem, kind_of, shape_of
from workers.execution.fingerprint import differences
from workers.wire.protocol import Block, Contribution, Place, Weights

# How long a cluster may take to start a machine and set it up.
_MACHINE_LIMIT_S = 1800.0


class ActorPool:
    """A pool that keeps its actors alive and every block on the way to an answer.

    The constructor returns at once, so that actors start while the driver does other work;
    `wait_until_ready` or the first `run` waits for them.
    """

    def __init__(
        self,
        backend: Backend,
        count: int,
        *,
        max_failures: int,
        slow_after_s: float,
        start_limit_s: float,
        least: int | None = None,
        elastic: bool = False,
        reduction: Reduction = "auto",
        examples: Sequence[Block] = (),
        notify: Callable[[str], None] = lambda text: None,
    ):
        """Start `count` actors.

        Args:
          max_failures: number of actors that may be replaced.
          slow_after_s: the shortest deadline of a block.
          start_limit_s: the deadline of an actor's start.
          least: actors with which a run begins; the others are used as they become ready. None:
            `count`. A cluster that grows on demand sees the actors that wait for a machine.
          elastic: start more actors where machines join.
          reduction: who adds contributions; auto: actors, where they are large.
          examples: blocks that each actor runs before it is ready, so that it has compiled them.
          notify: takes a line for the user about each fault.
        """
        self._least = count if least is None else least
        numbers = f"{self._least} to {count}" if self._least < count else f"{count}"
        self.name = f"{numbers} Ray actor{'s' if count > 1 else ''}"
        self._backend, self._examples, self._tell = backend, examples, notify
        self._reference: dict[str, Any] = {}
        self._where = "before the first step"
        self._num_blocks = count
        self._weights: Weights | None = None
        self._reduction = reduction
        self.latencies_s: list[float] = []
        self._deadlines = Deadlines(slow_after_s, unknown_s=start_limit_s)
        self._schedule = StepSchedule()
        self._actors = ActorSet(backend, count, elastic, examples, self._notify)
        self._delivery = Delivery(backend, self._schedule, self._actors, self._deadlines)
        self._recovery = Recovery(
            self._schedule, self._actors, max_failures, start_limit_s, self._notify
        )
        may_come = elastic or self._least < count
        self._watchdog = Watchdog(
            backend,
            self._schedule,
            self._actors,
            self._recovery,
            self._deadlines,
            start_limit_s,
            machine_limit_s=_MACHINE_LIMIT_S if may_come else start_limit_s,
        )

    @property
    def incidents(self) -> Incidents:
        """Counts of the faults that the run has recovered from."""
        return self._recovery.incidents

    def expect(self, fingerprint: dict[str, Any]) -> None:
        """Refuse actors that differ from `fingerprint`; the first actor sets GPUs that it lacks."""
        self._reference = dict(fingerprint)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """The fingerprint that all actors share, once they are ready."""
        return dict(self._reference)

    @property
    def num_ready(self) -> int:
        """The number of actors that are ready."""
        return len(self._actors.ready)

    def places(self) -> list[Place]:
        """List the places of the actors that are ready."""
        return [actor.place for actor in self._actors.ready if actor.place]

    def pids(self) -> list[int]:
        """List the process ids of the actors that are ready."""
        return [place.pid for place in self.places()]

    def wait_until_ready(self) -> None:
        """Wait until enough actors are built; see `StartupBarrier`.

        Raises:
          MetatrainError: see `run`.
        """
        self._watchdog.reset()
        barrier = StartupBarrier(self._backend, self._actors, self._least, self._notify)
        while barrier.is_waiting():
            self._process_events()
        self._recovery.begin_run()

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """Run all blocks; see `Pool.run`.

        Raises:
          MetatrainError: a block raised it on two actors, or the budget is used up.
        """
        self._where = f"step {blocks[0].step}" if blocks[0].kind == "train" else "evaluating"
        self.latencies_s = []
        self._weights, self._num_blocks = weights, len(blocks)
        self._actors.abandon_calls()
        num_actors = self.num_ready or len(self._actors.actors)
        self._schedule.begin(blocks, num_actors, weights, self._reduction)
        self._delivery.begin_step(weights)
        self._watchdog.reset()
        self._finish_schedule()
        self._recovery.begin_run()
        root = self._schedule.root
        return self._schedule.contributions() if root is None else [self._fetch(root)]

    def close(self) -> None:
        """End the actors."""
        self._actors.close()

    def _finish_schedule(self) -> None:
        while not self._schedule.complete:
            self._process_events()

    def _fetch(self, root: WorkItem) -> Contribution:
        """Fetch the sum of all blocks from its actor; compute it again if it is lost."""
        while True:
            result = self._schedule.result_of(root)
            assert result is not None
            try:
                return self._delivery.fetch(result)
            except CallLostError as error:
                self._recovery.retry_lost_sum(root, str(error))
            self._finish_schedule()

    def _process_events(self) -> None:
        """Send out what is queued, wait for an event, and act on it."""
        self._actors.update(self._num_blocks)
        self._watchdog.check()
        self._delivery.dispatch()
        pending = self._actors.pending()
        until = min(self._watchdog.next_check, self._actors.next_update())
        for ref in self._backend.wait(list(pending), max(0.0, until - self._backend.now())):
            if pending[ref] in self._actors.actors:
                self._take_answer(ref, pending[ref])

    def _take_answer(self, ref: Any, actor: Actor) -> None:
        """Take the answer to a call; recovery acts if there is none."""
        try:
            answer = self._backend.answer(ref)
        except BackendError as error:
            self._recovery.handle_failed_call(error, actor, ref)
        else:
            self._accept(ref, actor, answer)

    def _accept(self, ref: Any, actor: Actor, answer: Any) -> None:
        """Pass an answer on by what was called: a work item, or a part of the actor's start."""
        call = actor.calls.get(ref)
        if call is not None:
            took_s = actor.finish_call(ref, self._backend.now())
            self._accept_answer(actor, call, answer, took_s)
        elif ref is actor.placing:
            actor.set_place(answer, self._backend.now())
            self._recovery.check_machine_of(actor)
        else:
            self._accept_actor(actor, answer)

    def _accept_actor(self, actor: Actor, built: Any) -> None:
        """Use an actor that is ready, unless it would compute other bits."""
        gpus = {name: value for name, value in built.fingerprint.items() if name == "gpus"}
        self._reference = gpus | (self._reference or dict(built.fingerprint))
        wrong = differences(self._reference, built.fingerprint)
        if wrong:
            self._recovery.refuse_actor(actor, wrong)
        else:
            self._note_examples(actor, built)
            self._recovery.accept_actor(actor)

    def _note_examples(self, actor: Actor, built: Any) -> None:
        """Note that an actor has compiled the examples, and how long each took."""
        timed = list(zip(self._examples, built.seconds, strict=False))
        actor.set_ready([shape_of(block) for block, _ in timed])
        for block, seconds in timed:
            self._deadlines.note(kind_of(block), False, block.hi - block.lo, seconds)

    def _accept_answer(self, actor: Actor, call: Call, answer: Any, took_s: float) -> None:
        """Check the answer to a work item, and use it."""
        item = call.item
        self._deadlines.note(item.kind, call.compiling, item.amount, took_s)
        self.latencies_s.append(took_s)
        if call.misses:
            self._schedule.unqueue_calls_of(actor)
        assert self._weights is not None
        if fault := fault_of(answer, item.blocks, self._weights):
            self._recovery.reject_answer(actor, call, fault)
        else:
            self._use_answer(actor, call, answer, took_s)

    def _use_answer(self, actor: Actor, call: Call, answer: Any, took_s: float) -> None:
        """Use an answer, or compare it with the one that was used instead."""
        item = call.item
        settled = self._schedule.settle(call, ItemResult(answer, call.vectors, actor.machine))
        self._recovery.check_same_answer(actor, item, settled.expected_digest, answer)
        if settled.has_copies:
            self._actors.set_other_answer(item, digest_of(answer), took_s)

    def _notify(self, text: str) -> None:
        self._tell(f"{self._where}: {text}")
