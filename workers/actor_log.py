"""An actor's log, whose lines name the step, blocks and tasks that the actor was running.

Ray keeps it beside its own log (worker-*.err) and shows it in its dashboard. With --verbose Ray
also sends it to the driver.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence

from workers.wire.protocol import Block

LOG = logging.getLogger("metatrain")

_FORMAT = "%(asctime)s %(levelname)s %(blocks)s%(name)s: %(message)s"
_REPORT_EVERY_S = 10.0


class _CurrentBlocks(logging.Filter):
    """A filter that adds the blocks that the actor is running to each record."""

    text = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.blocks = self.text
        return True


class ActorLog:
    """The log: a line when the actor is ready, every ten seconds, and for each exception."""

    def __init__(self) -> None:
        self._current = _CurrentBlocks()
        self._reported = time.monotonic()
        self._num_tasks = 0

    def take_over(self) -> None:
        """Replace the process' log, so that lines from a user's code name the blocks too."""
        handler = logging.StreamHandler()
        handler.addFilter(self._current)
        handler.setFormatter(logging.Formatter(_FORMAT))
        root = logging.getLogger()
        root.handlers[:] = [handler]
        root.setLevel(logging.INFO)

    @contextlib.contextmanager
    def during(self, blocks: Sequence[Block]) -> Iterator[None]:
        """Name these blocks in all lines within, and log an exception that passes through."""
        first, last = blocks[0], blocks[-1]
        kind = "" if first.kind == "train" else f"{first.kind}, "
        number = f"block {first.index}"
        if first is not last:
            number = f"blocks {first.index} to {last.index}"
        tasks = f"tasks {first.lo} to {last.hi - 1}"
        self._current.text = f"[step {first.step}, {kind}{number}, {tasks}] "
        began = time.monotonic()
        try:
            yield
            self._report(last.hi - first.lo, time.monotonic() - began)
        except Exception as error:
            LOG.error("%s: %s", type(error).__name__, error)
            raise
        finally:
            self._current.text = ""

    def _report(self, num_tasks: int, seconds: float) -> None:
        self._num_tasks += num_tasks
        since_s = time.monotonic() - self._reported
        if since_s >= _REPORT_EVERY_S:
            LOG.info(
                "took %.3f s; %.1f tasks/s here in the last %.0f s",
                seconds,
                self._num_tasks / since_s,
                since_s,
            )
            self._reported, self._num_tasks = time.monotonic(), 0
