"""The contract of a pool, which runs blocks, and the pool of this process.

See ray_pool.py for blocks on Ray actors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Protocol

from workers.wire.protocol import Block, Contribution, Place, Weights

if TYPE_CHECKING:  # imports TensorFlow, before which the runtime must be set
    from workers.block import BlockRunner


@dataclass
class Incidents:
    """Counts of the faults that a run has recovered from since its start.

    replaced_actors: actors that died, were stopped or too slow, or whose machine was drained.
    retried_calls: calls run again because no answer came.
    copied_calls: calls run a second time because the answer was late.
    rejected_answers: answers not used because their shape was wrong or they were not finite.
    lost_sums: sums that were kept on a machine that went away, and were computed again.
    """

    replaced_actors: int = 0
    retried_calls: int = 0
    copied_calls: int = 0
    rejected_answers: int = 0
    lost_sums: int = 0

    def count(self, name: str) -> None:
        """Add one to the count called `name`."""
        setattr(self, name, getattr(self, name) + 1)


class Pool(Protocol):
    """The contract of a pool. Contributions have the same bits whichever pool computes them.

    A pool that runs all blocks in this process has the attribute `runner`, a BlockRunner.

    name: shown to the user.
    incidents: faults that the run has recovered from so far.
    num_ready: number of actors that are ready.
    latencies_s: seconds of each call of the last `run`, from when it could begin to its answer.
    """

    name: str
    incidents: Incidents
    num_ready: int
    latencies_s: list[float]

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """Run all blocks at `weights`; return their contributions in order of index.

        Training blocks that were summed where they ran share a contribution; see `combine`.

        Raises:
          MetatrainError: a block cannot be run.
        """

    def places(self) -> list[Place]:
        """List the places of the actors that are ready."""

    def close(self) -> None:
        """Release what the pool holds. Idempotent."""


class InProcessPool:
    """A pool that runs blocks one after another in this process.

    It serves tests, laptops, and blocks that are too small to send.

    runner: runs the blocks.
    """

    name = "this process"
    num_ready = 0

    def __init__(self, runner: BlockRunner):
        self.runner = runner
        self.incidents = Incidents()
        self.latencies_s: list[float] = []

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """Run each block in turn, while the tasks of the next one are built."""
        contributions = []
        for block, following in zip_longest(blocks, blocks[1:]):
            if following is not None:
                self.runner.build_ahead(following)
            contributions.append(self.runner.run(weights, block))
        self.latencies_s = [contribution.seconds for contribution in contributions]
        return contributions

    def places(self) -> list[Place]:
        """Return an empty list: there are no actors."""
        return []

    def close(self) -> None:
        """End what builds tasks ahead; a runner that is used again starts it anew."""
        self.runner.close()
