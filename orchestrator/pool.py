"""Where blocks run: in this process, or (ray_pool.py) on Ray actors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from workers.protocol import Block, Contribution, Weights

if TYPE_CHECKING:  # imports TensorFlow, before which the runtime must be set
    from workers.block import BlockRunner


class Pool(Protocol):
    """Runs blocks. The contributions have the same bits whichever pool runs them.

    name: for the user. replaced: how many actors had to be replaced so far.
    """

    name: str
    replaced: int

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """All blocks at `weights`: their contributions, in order of index.

        Training blocks that were summed where they ran share a contribution; see `combine`.

        Raises:
          MetatrainError: a block cannot be run.
        """

    def close(self) -> None:
        """Give back what the pool holds. Idempotent."""


class InProcessPool:
    """Blocks one after another, here: for tests, laptops, and blocks too small to send."""

    name = "this process"
    replaced = 0

    def __init__(self, runner: BlockRunner):
        self._runner = runner

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """Run each block in turn."""
        return [self._runner.run(weights, block) for block in blocks]

    def close(self) -> None:
        """Nothing is held."""
