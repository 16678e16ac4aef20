"""Where blocks run: in this process, or (ray_pool.py) on Ray actors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from workers.wire.protocol import Block, Contribution, Place, Weights

if TYPE_CHECKING:  # imports TensorFlow, before which the runtime must be set
    from workers.block import BlockRunner


@dataclass
class Incidents:
    """What went wrong in a run so far and was made good; each a count since its start.

    replaced_actors: actors that died, were stopped or too slow, or whose machine was drained.
    retried_calls: run again since no answer came. copied_calls: run a second time since the answer
    was late. rejected_answers: not used, for a wrong shape or since they were not finite.
    lost_sums: kept on a machine that went, and made again.
    """

    replaced_actors: int = 0
    retried_calls: int = 0
    copied_calls: int = 0
    rejected_answers: int = 0
    lost_sums: int = 0

    def count(self, name: str) -> None:
        """Add one to the count of that name."""
        setattr(self, name, getattr(self, name) + 1)


class Pool(Protocol):
    """Runs blocks. The contributions have the same bits whichever pool runs them.

    name: for the user. incidents: what was made good so far. num_ready: actors that are ready.
    latencies_s: of the last `run`, each call from when it could begin to its answer.
    """

    name: str
    incidents: Incidents
    num_ready: int
    latencies_s: list[float]

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """All blocks at `weights`: their contributions, in order of index.

        Training blocks that were summed where they ran share a contribution; see `combine`.

        Raises:
          MetatrainError: a block cannot be run.
        """

    def places(self) -> list[Place]:
        """Where the actors that are ready are."""

    def close(self) -> None:
        """Give back what the pool holds. Idempotent."""


class InProcessPool:
    """Blocks one after another, here: for tests, laptops, and blocks too small to send."""

    name = "this process"
    num_ready = 0

    def __init__(self, runner: BlockRunner):
        self._runner = runner
        self.incidents = Incidents()
        self.latencies_s: list[float] = []

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """Run each block in turn."""
        contributions = [self._runner.run(weights, block) for block in blocks]
        self.latencies_s = [contribution.seconds for contribution in contributions]
        return contributions

    def places(self) -> list[Place]:
        """There are no actors."""
        return []

    def close(self) -> None:
        """Nothing is held."""
