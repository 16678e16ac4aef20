"""Builds the tasks of blocks that are about to run, while another block runs."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from workers.wire.protocol import Block, Task

# The block that is to run now, the one after it, and the first one of the next step.
_MOST = 3


class TasksAhead:
    """Tasks that a thread builds ahead of their use. Any thread may call the methods."""

    def __init__(self, build: Callable[[Block], Task]):
        """Start nothing yet. build: makes a block's tasks; only one call of it runs at a time."""
        self._build = build
        self._thread = ThreadPoolExecutor(1, "tasks-ahead")
        self._lock = Lock()
        self._begun: list[tuple[Block, Future[Task]]] = []

    def begin(self, block: Block) -> None:
        """Begin to build a block's tasks. Those that nobody took are dropped, the oldest first."""
        with self._lock:
            self._begun.append((block, self._thread.submit(self._build, block)))
            dropped, self._begun = self._begun[:-_MOST], self._begun[-_MOST:]
        for _, future in dropped:
            future.cancel()

    def take(self, block: Block) -> Task | None:
        """Take the tasks of this very block, and wait for them.

        Returns:
          None if they were not begun or could not be built: their own step is to say why.
        """
        with self._lock:
            found = [future for begun, future in self._begun if begun is block]
            self._begun = [entry for entry in self._begun if entry[0] is not block]
        if not found or found[0].exception() is not None:
            return None
        return found[0].result()

    def close(self) -> None:
        """End the thread. Idempotent."""
        self._thread.shutdown(cancel_futures=True)
