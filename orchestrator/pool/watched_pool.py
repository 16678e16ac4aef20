"""How far a pool is with held-out tasks: they may take minutes, in which nothing else is told."""

import time
from collections.abc import Callable, Sequence
from typing import Any

from orchestrator.pool.base import Pool
from workers.wire.protocol import Block, Contribution, Weights

#: What is said while tasks are done, and at most so often.
Say = Callable[[str], object]
# Blocks of each actor between two counts.
_ROUND = 8


class Watch:
    """Tells how many tasks are done and when they all will be; a short wait is not told of."""

    def __init__(
        self,
        what: str = "",
        say: Say = lambda text: None,
        every_s: float = 5.0,
        things: str = "tasks",
    ):
        """`what` is done to `things`; `say` is told of it at most every `every_s` seconds."""
        self._things = things
        self.begin(what, say, every_s)
        self.start()

    def begin(self, what: str, say: Say, every_s: float = 5.0) -> None:
        """From now on something else is done, or told in another way."""
        self._what, self._say, self._every_s = what, say, every_s

    def start(self) -> None:
        """Tasks begin."""
        self._began = self._told = time.monotonic()

    def tell(self, done: int, total: int) -> None:
        """So many of all are done."""
        now = time.monotonic()
        if not 0 < done < total or now - self._told < self._every_s:
            return
        self._told = now
        left = (now - self._began) * (total - done) / done
        self._say(f"{self._what}: {done} of {total} {self._things}, {left:.0f} s left")


class WatchedPool:
    """A pool whose held-out blocks run in rounds, after each of which it is told how many are done.

    The contributions are the same: blocks do not depend on each other.
    """

    def __init__(self, pool: Pool, watch: Watch):
        """Blocks run in `pool`."""
        self._pool, self._watch = pool, watch

    def __getattr__(self, name: str) -> Any:
        """All else is the pool's own."""
        return getattr(self._pool, name)

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        """As the pool's; see `Pool.run`."""
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
