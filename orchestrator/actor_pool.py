"""Blocks on actors that may die, stop, answer late, or answer wrongly.

A block is a pure function, so it may be run again, or twice, and the first answer counts. What is
done about a loss is in recovery.py, all that Ray does is behind `crew.Crew`.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.aggregate import fault_of
from orchestrator.blocks import nodes
from orchestrator.board import Board
from orchestrator.crew import ActorDiedError, CallLostError, CallRaisedError, Crew
from orchestrator.deadlines import Deadlines
from orchestrator.failure import Event
from orchestrator.pool import Incidents
from orchestrator.recovery import Recovery, is_slower
from orchestrator.roster import Actor, Call, Roster, kind_of, num_tasks, shape_of
from workers.errors import PoolError
from workers.protocol import Block, Contribution, Place, Weights
from workers.runtime import differences

# The driver was stopped, not its actors slow, if it wakes up so much too late.
_OVERSLEPT_S = 1.0
# A run begins without actors that take so long to start, and so many times as long as the first.
_LEFT_BEHIND_S = 30.0
_SLOWER_START = 3.0


class ActorPool:
    """Keeps its actors alive, and every block on the way to an answer.

    The constructor returns at once, so that actors start while the driver does other work;
    `wait_until_ready` or the first `run` waits for them.
    """

    def __init__(
        self,
        crew: Crew,
        count: int,
        *,
        max_failures: int,
        slow_after_s: float,
        start_limit_s: float,
        elastic: bool = False,
        examples: Sequence[Block] = (),
        notify: Callable[[str], None] = lambda text: None,
    ):
        """Start `count` actors.

        Args:
          max_failures: actors that may be replaced.
          slow_after_s: the shortest deadline of a block. start_limit_s: that of an actor's start.
          elastic: use machines that join.
          examples: blocks that each actor runs before it is ready, so that it has compiled them.
          notify: takes a line for the user, for each thing that went wrong.
        """
        self.name = f"{count} Ray actor{'s' if count > 1 else ''}"
        self._crew, self._examples, self._tell = crew, examples, notify
        self._start_limit_s = start_limit_s
        self._deadlines = Deadlines(slow_after_s, unknown_s=start_limit_s)
        self._reference: dict[str, Any] = {}
        self._where = "before the first step"
        self._num_blocks = count
        self._weights: Weights | None = None
        self._board = Board([])
        self._roster = Roster(crew, count, elastic, examples, self._notify)
        self._recovery = Recovery(self._roster, max_failures, start_limit_s, self._notify)

    @property
    def incidents(self) -> Incidents:
        """What was made good so far."""
        return self._recovery.incidents

    def expect(self, fingerprint: dict[str, Any]) -> None:
        """Refuse actors that differ from `fingerprint`; what it lacks, the first actor sets."""
        self._reference = dict(fingerprint)

    @property
    def fingerprint(self) -> dict[str, Any]:
        """What all actors agree on, once they are ready."""
        return dict(self._reference)

    def places(self) -> list[Place]:
        """Where the actors that are ready are."""
        return [actor.place for actor in self._roster.ready if actor.place]

    def pids(self) -> list[int]:
        """Their process ids."""
        return [place.pid for place in self.places()]

    def wait_until_ready(self) -> None:
        """Block until the actors are built, or some are and the others keep them waiting.

        Raises as `run` does.
        """
        started, first_s = self._crew.now(), math.inf
        while not self._roster.complete:
            waited_s, there = self._crew.now() - started, len(self._roster.ready)
            first_s = min(first_s, waited_s) if there else math.inf
            if waited_s > max(_LEFT_BEHIND_S, _SLOWER_START * first_s):
                missing = len(self._roster.actors) - there
                self._notify(
                    f"going on with {there} of {there + missing} actors: the others have no "
                    "machine yet, or are slow to start; they join when they are ready"
                )
                break
            self._turn(None)
        self._recovery.begun = True

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """Run all blocks; see `Pool.run`.

        Raises:
          MetatrainError: what a block raised on two actors, or the budget is used up.
        """
        self._where = f"step {blocks[0].step}" if blocks[0].kind == "train" else "evaluating"
        self._roster.disown()
        self._weights, self._num_blocks = weights, len(blocks)
        self._board = Board(nodes(blocks, max(1, len(self._roster.actors))))
        shared = self._crew.share(weights)
        while not self._board.complete:
            self._turn(shared)
        self._recovery.begun = True
        return self._board.contributions()

    def close(self) -> None:
        """End the actors."""
        self._roster.close()

    def _turn(self, shared: Any) -> None:
        """Give out what can be given, wait for something to happen, act on it."""
        self._roster.tend(self._num_blocks)
        self._dispatch(shared)
        awaited, alarm = self._awaited(), self._next_alarm()
        for ref in self._crew.wait(list(awaited), max(0.0, alarm - self._crew.now())):
            if awaited[ref] in self._roster.actors:
                self._take(ref, awaited[ref])
        overslept_s = self._crew.now() - alarm
        if overslept_s > _OVERSLEPT_S:
            self._roster.forgive(overslept_s)
        self._check_clocks()

    def _dispatch(self, shared: Any) -> None:
        """Give each actor a node to run and one to go on with, fewest in flight first."""
        staying = [actor for actor in self._roster.actors if not actor.leaving]
        actors = staying if any(actor.ready for actor in staying) else self._roster.actors
        for node in list(self._board.todo):
            takers = self._board.takers(node, actors)
            if takers:
                actor = min(takers, key=lambda candidate: len(candidate.calls))
                self._board.todo.remove(node)
                ref = self._crew.run(actor.handle, shared, node)
                compiling = any(shape_of(block) not in actor.shapes for block in node)
                actor.calls[ref] = Call(node, compiling, self._crew.now())

    def _awaited(self) -> dict[Any, Actor]:
        awaited: dict[Any, Actor] = {}
        for actor in self._roster.actors:
            for ref in (*actor.calls, actor.placing, actor.building):
                if ref is not None:
                    awaited[ref] = actor
        return awaited

    def _take(self, ref: Any, actor: Actor) -> None:
        """Act on the answer to a call, or on its absence."""
        call, board = actor.calls.get(ref), self._board
        try:
            answer = self._crew.answer(ref)
        except ActorDiedError as error:
            lost = error.preempted or actor.leaving
            event = Event.ACTOR_PREEMPTED if lost else Event.ACTOR_DIED
            self._recovery.bury(event, actor, f"died: {error}", board)
        except CallLostError as error:
            self._pop(ref, actor)
            self._recovery.lose(actor, call, str(error), board)
        except CallRaisedError as error:
            self._pop(ref, actor)
            self._recovery.take_error(actor, call, error, board)
        else:
            if call is not None:
                took_s = self._pop(ref, actor)
                self._accept(actor, call, answer, took_s)
            elif ref is actor.placing:
                actor.place, actor.placing, actor.since = answer, None, self._crew.now()
            else:
                self._welcome(actor, answer)

    def _pop(self, ref: Any, actor: Actor) -> float:
        """A call is over: how long the actor worked on it; the next one's clock starts."""
        call = actor.calls.pop(ref, None)
        if call is None:
            return 0.0
        took_s = self._crew.now() - call.started
        if actor.head is not None:
            actor.head[1].started = self._crew.now()
        return took_s

    def _welcome(self, actor: Actor, built: Any) -> None:
        """Take in an actor that is ready, unless it would compute other bits."""
        self._reference = {**built.fingerprint, **self._reference}
        wrong = differences(self._reference, built.fingerprint)
        if wrong:
            if actor.place:
                self._roster.avoid.append(actor.place.node)
            why = (
                f"would compute other bits than the driver: {'; '.join(wrong)}; use equal "
                "machines, software and data"
            )
            self._recovery.bury(Event.ACTOR_DIFFERS, actor, why, self._board)
            return
        actor.building = None
        for block, seconds in zip(self._examples, built.seconds, strict=False):
            actor.shapes.add(shape_of(block))
            self._deadlines.note(kind_of(block), False, block.hi - block.lo, seconds)
        self._recovery.welcome(actor)

    def _accept(self, actor: Actor, call: Call, answer: Contribution, took_s: float) -> None:
        """An answer: settle its node, or compare it with the answer that was used instead."""
        node = call.node
        self._deadlines.note(kind_of(node[0]), call.compiling, num_tasks(node), took_s)
        actor.shapes.update(map(shape_of, node))
        actor.lost = 0
        if not call.misses or not is_slower(took_s, call):
            actor.misses = 0
        if call.misses:
            self._board.take_back(actor)
        assert self._weights is not None
        fault = fault_of(answer, node, self._weights)
        if fault:
            self._recovery.reject(actor, call, fault, self._board)
        elif self._board.wants(call):
            self._board.settle(node, answer)
            self._roster.mark_copies(node, answer, took_s)
        else:
            self._recovery.compare(actor, call, answer)

    def _check_clocks(self) -> None:
        now = self._crew.now()
        for actor in list(self._roster.actors):
            if now < self._alarm(actor):
                continue
            if actor.head is None:
                self._check_start(actor)
            elif not self._crew.wait([actor.head[0]], 0.0):
                call = actor.head[1]
                self._recovery.miss(actor, call, now - call.started, self._board)

    def _check_start(self, actor: Actor) -> None:
        if actor.place:
            why = f"was not ready within {self._start_limit_s:g} s"
            self._recovery.bury(Event.START_TOO_SLOW, actor, why, self._board)
            return
        raise PoolError(
            f"no machine has had room for an actor for {self._start_limit_s:g} s; add machines, or "
            "lower workers.cpus or workers.gpus"
        )

    def _alarm(self, actor: Actor) -> float:
        """When an actor's clock runs out."""
        if not actor.ready:
            hopeless = actor.place is not None or not self._roster.ready
            return actor.since + self._start_limit_s if hopeless else math.inf
        if actor.head is None:
            return math.inf
        call = actor.head[1]
        limit_s = self._deadlines.limit_s(
            kind_of(call.node[0]), call.compiling, num_tasks(call.node)
        )
        return call.started + limit_s * self._board.patience * 2**call.misses

    def _next_alarm(self) -> float:
        return min([self._roster.next_opening(), *map(self._alarm, self._roster.actors)])

    def _notify(self, text: str) -> None:
        self._tell(f"{self._where}: {text}")
