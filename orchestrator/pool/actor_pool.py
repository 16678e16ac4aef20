"""Blocks on actors that may die, stop, answer late, or answer wrongly.

A block is a pure function, so it may be run again, or twice, and the first answer counts. What is
done about a loss is in recovery.py, all that Ray does is behind `backend.Backend`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.outer.aggregate import fault_of
from orchestrator.pool.actor_set import Actor, ActorSet, Call
from orchestrator.pool.backend import ActorDiedError, Backend, CallLostError, CallRaisedError
from orchestrator.pool.base import Incidents
from orchestrator.pool.deadlines import Deadlines
from orchestrator.pool.failure import Event
from orchestrator.pool.recovery import Recovery, is_slower
from orchestrator.pool.reduction import Delivery, Reduction, is_for_actors
from orchestrator.pool.startup import StartupBarrier
from orchestrator.pool.step_schedule import Done, StepSchedule
from orchestrator.pool.watchdog import Watchdog
from orchestrator.pool.work_item import WorkItem, kind_of, leaves, shape_of
from workers.execution.runtime import differences
from workers.wire.errors import PartLostError
from workers.wire.protocol import Block, Contribution, Place, Weights

# A machine that must be started first, and set up, may take so long.
_MACHINE_LIMIT_S = 1800.0


class ActorPool:
    """Keeps its actors alive, and every block on the way to an answer.

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
          max_failures: actors that may be replaced.
          slow_after_s: the shortest deadline of a block. start_limit_s: that of an actor's start.
          least: begin with so many, and use the others as they come; None: `count`. A cluster that
            grows on demand sees the actors that wait for a machine.
          elastic: start more where machines join.
          reduction: who adds contributions; auto: actors, where they are large.
          examples: blocks that each actor runs before it is ready, so that it has compiled them.
          notify: takes a line for the user, for each thing that went wrong.
        """
        self._least = count if least is None else least
        numbers = f"{self._least} to {count}" if self._least < count else f"{count}"
        self.name = f"{numbers} Ray actor{'s' if count > 1 else ''}"
        self._backend, self._examples, self._tell = backend, examples, notify
        self._deadlines = Deadlines(slow_after_s, unknown_s=start_limit_s)
        self._reference: dict[str, Any] = {}
        self._where = "before the first step"
        self._num_blocks = count
        self._weights: Weights | None = None
        self._shared: Any = None
        self._board = StepSchedule([])
        self._reduction = reduction
        self.latencies_s: list[float] = []
        self._delivery = Delivery(backend, self._deadlines)
        self._actors = ActorSet(backend, count, elastic, examples, self._notify)
        self._recovery = Recovery(self._actors, max_failures, start_limit_s, self._notify)
        may_come = elastic or self._least < count
        machine_limit_s = _MACHINE_LIMIT_S if may_come else start_limit_s
        self._clocks = Watchdog(
            backend, self._actors, self._recovery, self._deadlines, start_limit_s, machine_limit_s
        )

    @property
    def incidents(self) -> Incidents:
        """What was made good so far."""
        return self._recovery.incidents

    def expect(self, fingerprint: dict[str, Any]) -> None:
        """Refuse actors that differ from `fingerprint`; GPUs that it lacks, the first one sets."""
        self._reference = dict(fingerprint)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What all actors agree on, once they are ready."""
        return dict(self._reference)

    @property
    def num_ready(self) -> int:
        """Actors that are ready."""
        return len(self._actors.ready)

    def places(self) -> list[Place]:
        """Where the actors that are ready are."""
        return [actor.place for actor in self._actors.ready if actor.place]

    def pids(self) -> list[int]:
        """Their process ids."""
        return [place.pid for place in self.places()]

    def wait_until_ready(self) -> None:
        """Block until the actors are built, or some are and the others keep them waiting.

        Raises as `run` does.
        """
        self._clocks.wind()
        muster = StartupBarrier(self._backend, self._actors, self._least, self._notify)
        while muster.waits():
            self._turn()
        self._recovery.begun = True

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """Run all blocks; see `Pool.run`.

        Raises:
          MetatrainError: what a block raised on two actors, or the budget is used up.
        """
        self._where = f"step {blocks[0].step}" if blocks[0].kind == "train" else "evaluating"
        self._actors.disown()
        self.latencies_s = []
        self._weights, self._num_blocks = weights, len(blocks)
        works = leaves(blocks, self.num_ready or len(self._actors.actors))
        self._board = StepSchedule(works, summed=is_for_actors(self._reduction, weights, works))
        self._shared = self._backend.share(weights)
        self._clocks.wind()
        self._finish()
        self._recovery.begun = True
        root = self._board.root
        if root is None:
            return self._board.contributions()
        while (total := self._fetch(root)) is None:
            self._finish()
        return [total]

    def close(self) -> None:
        """End the actors."""
        self._actors.close()

    def _finish(self) -> None:
        while not self._board.complete:
            self._turn()

    def _fetch(self, root: WorkItem) -> Contribution | None:
        """The sum of all; None if it is lost and to be made again."""
        done = self._board.done(root)
        assert done is not None
        try:
            return self._delivery.fetch(done, self._board.patience)
        except CallLostError as error:
            self._recovery.rebuild(root, str(error), self._board)
            return None

    def _turn(self) -> None:
        """Give out what can be given, wait for something to happen, act on it."""
        self._actors.tend(self._num_blocks)
        self._clocks.check(self._board)
        self._dispatch()
        awaited = self._awaited()
        until = min(self._clocks.next_check, self._actors.next_opening())
        for ref in self._backend.wait(list(awaited), max(0.0, until - self._backend.now())):
            if awaited[ref] in self._actors.actors:
                self._take(ref, awaited[ref])

    def _dispatch(self) -> None:
        """Give each actor a work to do and one to go on with, fewest in flight first."""
        if not self._board.todo:
            return
        staying = [actor for actor in self._actors.actors if not actor.leaving]
        actors = staying if any(actor.ready for actor in staying) else self._actors.actors
        free = sorted((a for a in actors if a.free), key=lambda actor: len(actor.calls))
        several = sum(actor.ready for actor in actors) > 1
        for work in list(self._board.todo):
            actor = self._board.taker(work, free, several)
            if actor is None:
                continue
            self._board.give_out(work)
            self._delivery.give(actor, work, self._shared, self._board)
            free.remove(actor)
            if actor.free:
                free.append(actor)

    def _awaited(self) -> dict[Any, Actor]:
        awaited: dict[Any, Actor] = {}
        for actor in self._actors.actors:
            for ref in (*actor.calls, actor.placing, actor.building):
                if ref is not None:
                    awaited[ref] = actor
        return awaited

    def _take(self, ref: Any, actor: Actor) -> None:
        """Act on the answer to a call, or on its absence."""
        call, board = actor.calls.get(ref), self._board
        try:
            answer = self._backend.answer(ref)
        except ActorDiedError as error:
            lost = error.preempted or actor.leaving
            event = Event.ACTOR_PREEMPTED if lost else Event.ACTOR_DIED
            self._recovery.bury(event, actor, f"died: {error}", board)
        except CallLostError as error:
            self._pop(ref, actor)
            self._recovery.lose(actor, call, str(error), board)
        except CallRaisedError as error:
            self._pop(ref, actor)
            if call is not None and isinstance(error.cause, PartLostError):
                self._lose_part(call, error.cause)
            else:
                self._recovery.take_error(actor, call, error, board)
        else:
            if call is not None:
                took_s = self._pop(ref, actor)
                self._accept(actor, call, answer, took_s)
            elif ref is actor.placing:
                actor.place, actor.placing, actor.since = answer, None, self._backend.now()
            else:
                self._welcome(actor, answer)

    def _pop(self, ref: Any, actor: Actor) -> float:
        """A call is over: how long the actor worked on it; the next one's clock starts."""
        call = actor.calls.pop(ref, None)
        if call is None:
            return 0.0
        took_s = self._backend.now() - call.started
        if actor.head is not None:
            actor.head[1].started = self._backend.now()
        return took_s

    def _welcome(self, actor: Actor, built: Any) -> None:
        """Take in an actor that is ready, unless it would compute other bits."""
        gpus = {name: value for name, value in built.fingerprint.items() if name == "gpus"}
        self._reference = gpus | (self._reference or dict(built.fingerprint))
        wrong = differences(self._reference, built.fingerprint)
        if wrong:
            if actor.place:
                self._actors.avoid.append(actor.place.node)
            why = (
                f"would compute other bits than the driver: {'; '.join(wrong)}; use equal "
                "machines, software, data and environment variables"
            )
            self._recovery.bury(Event.ACTOR_DIFFERS, actor, why, self._board)
            return
        actor.building = None
        for block, seconds in zip(self._examples, built.seconds, strict=False):
            actor.shapes.add(shape_of(block))
            self._deadlines.note(kind_of(block), False, block.hi - block.lo, seconds)
        self._recovery.welcome(actor)

    def _lose_part(self, call: Call, error: PartLostError) -> None:
        """The actor is well, but a part of the sum did not come."""
        if not self._board.wants(call):
            return
        part = call.work.parts[error.number]
        if self._board.done(part) is call.parts[error.number]:
            self._recovery.rebuild(part, str(error).partition(": ")[2], self._board)
        else:  # it was made again meanwhile
            self._board.give_back(call.work)

    def _accept(self, actor: Actor, call: Call, answer: Any, took_s: float) -> None:
        """An answer: settle its work, or compare it with the answer that was used instead."""
        work, board = call.work, self._board
        self._deadlines.note(work.kind, call.compiling, work.amount, took_s)
        self.latencies_s.append(took_s)
        actor.shapes.update(work.shapes)
        actor.lost = 0
        if not call.misses or not is_slower(took_s, call):
            actor.misses = 0
        if call.misses:
            board.take_back(actor)
        assert self._weights is not None
        fault = fault_of(answer, work.blocks, self._weights)
        if fault:
            self._recovery.reject(actor, call, fault, board)
        elif board.wants(call):
            self._recovery.compare(actor, work, board.digest_of(work), answer)
            board.settle(work, Done(answer, call.vectors, actor.machine))
            if board.is_copied(work):
                self._actors.mark_copies(work, answer, took_s)
        else:
            self._recovery.compare(actor, work, call.digest, answer)

    def _notify(self, text: str) -> None:
        self._tell(f"{self._where}: {text}")
