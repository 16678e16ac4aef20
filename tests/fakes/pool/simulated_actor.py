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
    """Return training blocks of a step."""
    return [
        Block("train", step, index, index * size, (index + 1) * size, {}) for index in range(count)
    ]


def contribution_of(block: Block) -> Contribution:
    """Return the contribution of a block, a function of its step and index."""
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
    """Draw gradient, carry and loss; the arrays are read-only, because they are cached."""
    rng = np.random.default_rng([step, index])
    gradient = rng.normal(size=NUM_PARAMETERS).astype(np.float32)
    carry = rng.normal(size=NUM_CARRIED).astype(np.float32)
    for vector in (gradient, carry):
        vector.setflags(write=False)
    return gradient, carry, np.float64(rng.normal())


@dataclass(eq=False)
class SimulatedActor:
    """A simulated actor; tests set its faults.

    place_s, build_s, task_s, add_s: seconds to get a machine, to build, for a task, and to add.
    compile_s: further seconds of the first task.
    slow: step -> further seconds of a block of this step.
    placeable: whether there is a machine for it.
    dies_in_build: whether it dies before it is ready.
    raises: block index -> the exception that it raises.
    kills: indices of blocks that kill it.
    spoils: block index -> how it changes the contribution.
    spoils_sums: how it changes the next sums.
    loses: probability that a call is lost.
    machine_gone: whether its machine is gone, with all that was kept there.
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
        """Let it die as by SIGKILL; `preempted` as announced by its machine."""
        self.alive, self.preempted = False, preempted

    def take_machine(self) -> None:
        """Let its machine go, with the actor and all that is kept there."""
        self.alive, self.machine_gone = False, True


def with_nan(contribution: Contribution) -> Contribution:
    """Return a contribution that is not finite."""
    return replace(contribution, gradient=contribution.gradient * np.float32(np.nan))


def misshapen(contribution: Contribution) -> Contribution:
    """Return a contribution of another model's shape."""
    return replace(contribution, gradient=contribution.gradient[:-1])


def corrupt(contribution: Contribution) -> Contribution:
    """Return a contribution with one bit flipped."""
    gradient = contribution.gradient.copy()
    gradient.view(np.uint32)[0] ^= 1
    return replace(contribution, gradient=gradient)
