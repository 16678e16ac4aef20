"""Simulated actors, and the contributions that they compute.

The faults of an actor are attributes that a test sets, before or while a pool runs.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from workers.wire.protocol import Block, Contribution, Vector, Weights

NUM_PARAMETERS = 5
NUM_CARRIED = 2
WEIGHTS = Weights(np.zeros(NUM_PARAMETERS, np.float32), np.zeros(NUM_CARRIED, np.float32), 0)


def blocks_of(step: int, count: int, size: int = 2) -> list[Block]:
    """Training blocks of a step."""
    return [
        Block("train", step, index, index * size, (index + 1) * size, {}) for index in range(count)
    ]


def contribution_of(block: Block) -> Contribution:
    """What a block gives: a function of its step and index."""
    gradient, carry, loss = _drawn(block.step, block.index)
    return Contribution(
        index=block.index,
        num_tasks=block.hi - block.lo,
        gradient=gradient,
        carry=carry,
        metrics={"loss_after": loss},
        seconds=0.0,
    )


@functools.lru_cache(maxsize=10_000)
def _drawn(step: int, index: int) -> tuple[Vector, Vector, np.float64]:
    """Nobody may write into them."""
    rng = np.random.default_rng([step, index])
    gradient = rng.normal(size=NUM_PARAMETERS).astype(np.float32)
    carry = rng.normal(size=NUM_CARRIED).astype(np.float32)
    for vector in (gradient, carry):
        vector.setflags(write=False)
    return gradient, carry, np.float64(rng.normal())


@dataclass(eq=False)
class SimulatedActor:
    """One actor.

    place_s, build_s, task_s: how long it takes to get a machine, to build, and for a task.
    compile_s: more for the first task; slow: step -> more for a block of it.
    placeable: whether there is a machine for it. dies_in_build: whether it never gets ready.
    raises, kills, spoils: block index -> the exception; whether it dies of it; what it makes of
    its contribution. spoils_sums: what it makes of the next sums. loses: chance that a call
    is lost. add_s: how long it takes to add. machine_gone: with all that was kept there.
    """

    number: int
    node: str
    place_s: float = 1.0
    build_s: float = 5.0
    task_s: float = 0.01
    compile_s: float = 0.0
    slow: dict[int, float] = field(default_factory=dict)
    placeable: bool = True
    dies_in_build: bool = False
    fingerprint: dict[str, Any] = field(default_factory=dict)
    raises: dict[int, BaseException] = field(default_factory=dict)
    kills: set[int] = field(default_factory=set)
    spoils: dict[int, Callable[[Contribution], Any]] = field(default_factory=dict)
    spoils_sums: list[Callable[[Contribution], Any]] = field(default_factory=list)
    loses: float = 0.0
    add_s: float = 0.01
    alive: bool = True
    preempted: bool = False
    stopped: bool = False
    ended: bool = False
    machine_gone: bool = False
    busy_until: float = 0.0
    ran: list[tuple[int, int]] = field(default_factory=list)

    def kill(self, preempted: bool = False) -> None:
        """As SIGKILL, or the end of its machine."""
        self.alive, self.preempted = False, preempted

    def take_machine(self) -> None:
        """The actor goes, and what is kept beside it."""
        self.alive, self.machine_gone = False, True


def with_nan(contribution: Contribution) -> Contribution:
    """An answer that is not finite."""
    return replace(contribution, gradient=contribution.gradient * np.float32(np.nan))


def misshapen(contribution: Contribution) -> Contribution:
    """An answer of another model."""
    return replace(contribution, gradient=contribution.gradient[:-1])


def corrupt(contribution: Contribution) -> Contribution:
    """An answer with one bit flipped."""
    gradient = contribution.gradient.copy()
    gradient.view(np.uint32)[0] ^= 1
    return replace(contribution, gradient=gradient)
