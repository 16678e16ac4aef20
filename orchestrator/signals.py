"""Stop on SIGINT or SIGTERM without losing a step. Installed by the command line alone."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The user or the machine wants the process to end. Not an Exception: nothing may eat it."""


class GracefulStop:
    """Within a step a signal is noted; anywhere else, or a second time, it raises Interrupted.

    From then on signals are ignored: the process is about to save and end, and does it once.
    """

    def __init__(self) -> None:
        self.requested = False
        self._deferring = self._ignoring = False
        self.install()

    def install(self) -> None:
        """Take the signals over, but for a SIGHUP that is ignored, as under nohup."""
        for number in _SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)

    def stop_if_requested(self) -> None:
        """Raise Interrupted if a signal was noted."""
        if self.requested:
            self._end("between two steps")

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Within: the first signal only sets `requested`."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    @contextlib.contextmanager
    def ignored(self) -> Iterator[None]:
        """Within: signals do nothing, as while a checkpoint is written."""
        previous, self._ignoring = self._ignoring, True
        try:
            yield
        finally:
            self._ignoring = previous

    def ignore_to_the_end(self) -> None:
        """Let no signal change the exit code, while the interpreter takes itself down either."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._ignoring:
            return
        if self._deferring and not self.requested:
            self.requested = True
            with contextlib.suppress(OSError):  # the terminal may be gone
                os.write(2, b"\nstopping after this step; again to drop it\n")
            return
        self._end(signal.Signals(number).name)

    def _end(self, why: str) -> NoReturn:
        self._ignoring = True
        raise Interrupted(why)


class NoSignals:
    """Leaves the signals to whoever called: the contract of `GracefulStop`, from Python."""

    def install(self) -> None:
        """Nothing is taken over."""

    def stop_if_requested(self) -> None:
        """Nobody asks."""

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Signals do within what they do elsewhere."""
        yield

    ignored = deferred
