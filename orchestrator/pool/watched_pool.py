"""The progress of a pool through held-out tasks, which may take minutes."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.pool.base import Pool
from workers.wire.protocol import Block, Contribution, Weights

#: Takes a line of progress for the user.
Say = Callable[[str], object]
# Blocks of each actor between two counts.
_ROUND = 8


class Watch:
    """A progress report: how many tasks are done and the time left. It is silent in short waits."""

    def __init__(
        self,
        what: str = "",
        say: Say = lambda text: None,
        every_s: float = 5.0,
        things: str = "tasks",
    ):
        """Report through `say` at most every `every_s` seconds that `what` is done to `things`."""
        self._things = things
        self.begin(what, say, every_s)
        self.start()

    def begin(self, what: str, say: Say, every_s: float = 5.0) -> None:
        """Set what is done from now on, and where and how often it is reported."""
        self._what, self._say, self._every_s = what, say, every_s

    def start(self) -> None:
        """Note that tasks begin."""
        self._began = self._reported = time.monotonic()

    def tell(self, done: int, total: int) -> None:
        """Report that `done` of `total` tasks are done, if a report is due."""
        now = time.monotonic()
        if not 0 < done < total or now - self._reported < self._every_s:
            return
        self._reported = now
        left_s = (now - self._began) * (total - done) / done
        self._say(f"{self._what}: {done} of {total} {self._things}, {left_s:.0f} s left")


class WatchedPool:
    """A pool whose held-out blocks run in rounds, with a progress report after each round.

    The contributions are the same, because blocks do not depend on each other.
    """

    def __init__(self, pool: Pool, watch: Watch):
        """Run blocks in `pool`, and report to `watch`."""
        self._pool, self._watch = pool, watch

    def __getattr__(self, name: str) -> Any:
        """Return any other attribute of the pool."""
        return getattr(self._pool, name)

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """Run all blocks; see `Pool.run`."""
        if blocks[0].kind == "train":
            return self._pool.run(weights, blocks)
        size = _ROUND * self._pool.num_ready or 1
        first, total = blocks[0].lo, blocks[-1].hi - blocks[0].lo
        self._watch.start()
        contributions: list[Contribution] = []
        for place in range(0, len(blocks), size):
            part = blocks[place : place + size]
            contributions += self._pool.run(weights, part)
            self._watch.tell(part[-1].hi - first, total)
        return contributions
