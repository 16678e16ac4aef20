"""A backend of actors without processes, on a clock that jumps: a minute of Ray takes no time.

An actor works on one call at a time. Let faults happen with `SimulatedBackend.at`.
"""

import itertools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from simulated_actor import SimulatedActor, contribution_of

from orchestrator.pool.backend import ActorDiedError, CallLostError, CallRaisedError, Machines
from workers.wire.combine import combine
from workers.wire.errors import PartLostError
from workers.wire.protocol import Block, Built, Contribution, Place, Weights
from workers.wire.remote_contribution import RemoteContribution, Vectors, split_vectors

# No test takes so long; a run that does would never end.
_LONGEST_S = 4 * 3600.0


@dataclass(eq=False)
class SimulatedCall:
    """A call that is answered at `due`, unless its actor dies or stops before."""

    actor: SimulatedActor
    due: float
    answer: Any = None
    error: Exception | None = None
    kills: bool = False


@dataclass(eq=False)
class SimulatedVectors:
    """Vectors that are kept on an actor's machine; they outlive the actor, but not the machine."""

    actor: SimulatedActor
    value: Vectors | None
    lost: bool = False

    @property
    def gone(self) -> bool:
        return self.lost or self.actor.machine_gone


class SimulatedBackend:
    """A simulated backend; see `orchestrator.pool.backend.Backend`.

    actors: all actors that were ever started.
    cluster: what `machines` returns.
    avoided: for each start, the machines to avoid.
    sums: for each sum, the actor that added it and its contribution.
    waits_s: for each sum, the seconds that its actor waits for the parts.
    """

    def __init__(self, make: Callable[[SimulatedActor], None] = lambda actor: None, seed: int = 0):
        self.actors: list[SimulatedActor] = []
        self.cluster = Machines(slots=0, draining=frozenset())
        self.avoided: list[list[str]] = []
        self.sums: list[tuple[SimulatedActor, Contribution]] = []
        self.waits_s: list[float] = []
        self._make, self._random = make, random.Random(seed)
        self._clock = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, seconds: float, event: Callable[[], None]) -> None:
        """Call `event` so many seconds after the beginning."""
        self._events = sorted([*self._events, (seconds, next(self._numbers), event)])

    def alive(self) -> list[SimulatedActor]:
        return [actor for actor in self.actors if actor.alive and not actor.ended]

    def start(self, avoid: Sequence[str]) -> SimulatedActor:
        actor = SimulatedActor(len(self.actors), f"node{len(self.actors)}")
        actor.fingerprint = {"cpu": "a"}
        self._make(actor)
        self.actors.append(actor)
        self.avoided.append(list(avoid))
        return actor

    def end(self, handle: SimulatedActor) -> None:
        handle.ended, handle.alive = True, False

    def place(self, handle: SimulatedActor) -> SimulatedCall:
        due = self._clock + handle.place_s if handle.placeable else float("inf")
        return SimulatedCall(handle, due, Place(f"host{handle.number}", handle.number, handle.node))

    def build(self, handle: SimulatedActor, examples: Sequence[Block]) -> SimulatedCall:
        start_s = handle.place_s - 1.0 + handle.build_s
        due = self._clock + start_s if handle.placeable else float("inf")
        handle.busy_until = due
        seconds = [(block.hi - block.lo) * handle.task_s for block in examples]
        return SimulatedCall(
            handle, due, Built(handle.fingerprint, seconds), kills=handle.dies_in_build
        )

    def share(self, weights: Weights) -> Weights:
        return weights

    def run(
        self, handle: SimulatedActor, weights: Weights, blocks: Sequence[Block]
    ) -> SimulatedCall:
        return self._run(handle, blocks)

    def run_and_keep(
        self, handle: SimulatedActor, weights: Weights, blocks: Sequence[Block]
    ) -> tuple[SimulatedCall, SimulatedVectors]:
        call = self._run(handle, blocks)
        return call, self._keep(call)

    def add(
        self,
        handle: SimulatedActor,
        parts: Sequence[RemoteContribution],
        vectors: Sequence[SimulatedVectors],
        limit_s: float,
    ) -> tuple[SimulatedCall, SimulatedVectors]:
        call = self._call(handle, handle.add_s)
        self.waits_s.append(limit_s)
        missing = [n for n, remote in enumerate(vectors) if remote.gone]
        if call.error is not None:
            pass
        elif missing:
            call.due = handle.busy_until = call.due + limit_s
            call.error = CallRaisedError(PartLostError(f"{missing[0]}: it is gone"))
        else:
            wholes = [
                part.with_vectors(remote.value) for part, remote in zip(parts, vectors, strict=True)
            ]
            total = combine(wholes)
            spoil = handle.spoils_sums.pop(0) if handle.spoils_sums else lambda whole: whole
            call.answer = spoil(total)
            self.sums.append((handle, total))
        return call, self._keep(call)

    def _run(self, handle: SimulatedActor, blocks: Sequence[Block]) -> SimulatedCall:
        handle.ran.append((blocks[0].step, blocks[0].index))
        tasks = blocks[-1].hi - blocks[0].lo
        seconds = tasks * handle.task_s + handle.compile_s + handle.slow.get(blocks[0].step, 0.0)
        handle.compile_s = 0.0
        call = self._call(handle, seconds)
        index = blocks[0].index
        if call.error is None and index in handle.raises:
            call.error = CallRaisedError(handle.raises[index])
        elif call.error is None:
            spoil = handle.spoils.get(index, lambda contribution: contribution)
            call.answer = spoil(combine([contribution_of(block) for block in blocks]))
            call.kills = index in handle.kills
        return call

    def _call(self, handle: SimulatedActor, seconds: float) -> SimulatedCall:
        handle.busy_until = max(self._clock, handle.busy_until) + seconds
        call = SimulatedCall(handle, handle.busy_until)
        if self._random.random() < handle.loses:
            call.error = CallLostError("the call was lost")
        return call

    def _keep(self, call: SimulatedCall) -> "SimulatedVectors":
        """Split an answer: its vectors stay on the actor's machine, and are lost with it."""
        vectors = None
        if isinstance(call.answer, Contribution):
            vectors, call.answer = split_vectors(call.answer)
        return SimulatedVectors(call.actor, vectors)

    def wait(self, calls: Sequence[Any], timeout_s: float) -> list[Any]:
        if calls and isinstance(calls[0], SimulatedVectors):
            return list(calls)
        until = self._clock + timeout_s
        while True:
            done = [call for call in calls if self._is_over(call)]
            if done or self._clock >= until:
                return done[:1]
            self._advance(calls, until)

    def answer(self, call: Any) -> Any:
        if isinstance(call, SimulatedVectors):
            if call.gone:
                raise CallLostError("it is gone")
            return call.value
        actor = call.actor
        if call.kills and call.due <= self._clock:
            actor.alive = False
        if not actor.alive:
            raise ActorDiedError("killed by the test", actor.preempted)
        if call.error is not None:
            raise call.error
        return call.answer

    def machines(self) -> Machines:
        return self.cluster

    def now(self) -> float:
        return self._clock

    def _is_over(self, call: SimulatedCall) -> bool:
        actor = call.actor
        return not actor.alive or (call.due <= self._clock and not actor.stopped)

    def _advance(self, calls: Sequence[SimulatedCall], until: float) -> None:
        """Advance the clock to the next event; fail if the run would never end."""
        assert self._clock < _LONGEST_S, "the simulated run does not come to an end"
        dues = [call.due for call in calls if not call.actor.stopped and call.due > self._clock]
        events = [at for at, _, _ in self._events]
        self._clock = min([until, *dues, *(max(at, self._clock) for at in events)])
        while self._events and self._events[0][0] <= self._clock:
            self._events.pop(0)[2]()
