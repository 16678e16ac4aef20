"""Stop on SIGINT or SIGTERM without losing a step. Installed by the command line alone."""

import contextlib
import os
import signal
from collections.abc import Iterator
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """The user or the machine wants the process to end. Not an Exception: nothing may eat it."""


class GracefulStop:
    """Between steps a signal is noted; anywhere else, or a second time, it raises Interrupted."""

    def __init__(self) -> None:
        self.requested = False
        self._deferring = False
        self.install()

    def install(self) -> None:
        """Take the signals over. `ray.init` overwrites them: call this again after it."""
        for number in _SIGNALS:
            signal.signal(number, self._receive)

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
        """Within: signals wait until the end, as while a checkpoint is written."""
        previous = [signal.signal(number, signal.SIG_IGN) for number in _SIGNALS]
        try:
            yield
        finally:
            for number, handler in zip(_SIGNALS, previous, strict=True):
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._deferring and not self.requested:
            self.requested = True
            os.write(2, b"\nstopping after this step; again to drop it\n")
            return
        raise Interrupted(signal.Signals(number).name)


class NoSignals:
    """Leaves the signals to whoever called: the contract of `GracefulStop`, from Python."""

    requested = False

    def install(self) -> None:
        """Nothing is taken over."""

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Signals do within what they do elsewhere."""
        yield

    ignored = deferred
