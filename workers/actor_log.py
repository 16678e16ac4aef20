"""An actor's log, each line with the step, blocks and tasks that it was about.

Ray keeps it beside its own (worker-*.err), shows it in its dashboard, and with --verbose passes it
on to the driver.
"""

import contextlib
import logging
import time
from collections.abc import Iterator, Sequence

from workers.wire.protocol import Block

LOG = logging.getLogger("metatrain")

_FORMAT = "%(asctime)s %(levelname)s %(doing)s%(name)s: %(message)s"
_SIGN_OF_LIFE_S = 10.0


class _Doing(logging.Filter):
    """Knows what the actor is about."""

    text = ""

    def filter(self, record: logging.LogRecord) -> bool:
        record.doing = self.text
        return True


class ActorLog:
    """Writes a line when the actor is ready, one every ten seconds, and one for each exception."""

    def __init__(self) -> None:
        self._doing = _Doing()
        self._told = time.monotonic()
        self._num_tasks = 0

    def take_over(self) -> None:
        """Become the process' log: a user's own lines say where too."""
        handler = logging.StreamHandler()
        handler.addFilter(self._doing)
        handler.setFormatter(logging.Formatter(_FORMAT))
        root = logging.getLogger()
        root.handlers[:] = [handler]
        root.setLevel(logging.INFO)

    @contextlib.contextmanager
    def during(self, blocks: Sequence[Block]) -> Iterator[None]:
        """Within: lines are about these blocks; an exception that passes through is logged."""
        first, last = blocks[0], blocks[-1]
        kind = "" if first.kind == "train" else f"{first.kind}, "
        number = f"block {first.index}"
        if first is not last:
            number = f"blocks {first.index} to {last.index}"
        tasks = f"tasks {first.lo} to {last.hi - 1}"
        self._doing.text = f"[step {first.step}, {kind}{number}, {tasks}] "
        began = time.monotonic()
        try:
            yield
            self._tell(last.hi - first.lo, time.monotonic() - began)
        except Exception as error:
            LOG.error("%s: %s", type(error).__name__, error)
            raise
        finally:
            self._doing.text = ""

    def _tell(self, num_tasks: int, seconds: float) -> None:
        self._num_tasks += num_tasks
        since_s = time.monotonic() - self._told
        if since_s >= _SIGN_OF_LIFE_S:
            LOG.info(
                "took %.3f s; %.1f tasks/s here in the last %.0f s",
                seconds,
                self._num_tasks / since_s,
                since_s,
            )
            self._told, self._num_tasks = time.monotonic(), 0
