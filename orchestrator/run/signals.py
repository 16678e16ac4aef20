"""Stop on SIGINT or SIGTERM without losing a step."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import FrameType
from typing import Any, NoReturn, Protocol

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupted(BaseException):
    """The user or the machine wants the process to end. Not an Exception: nothing may eat it."""


class Stop(Protocol):
    """The contract of those who take the signals of a run."""

    def install(self) -> None:
        """Take the signals over."""

    def stop_if_requested(self) -> None:
        """Raise what ends the run if a signal was noted."""

    def deferred(self) -> AbstractContextManager[None]:
        """Return a context in which the first signal is only noted."""

    def ignored(self) -> AbstractContextManager[None]:
        """Return a context in which signals do nothing."""


class NoStop:
    """The contract of `Stop` where signals stay with whoever has them."""

    def install(self) -> None:
        """Take nothing over."""

    def stop_if_requested(self) -> None:
        """Note nothing, raise nothing."""

    def deferred(self) -> AbstractContextManager[None]:
        """Return an empty context."""
        return contextlib.nullcontext()

    def ignored(self) -> AbstractContextManager[None]:
        """Return an empty context."""
        return contextlib.nullcontext()


class GracefulStop:
    """For the command line. The first signal within a step is noted, others raise Interrupted.

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
            tell_that_it_stops()
            return
        self._end(signal.Signals(number).name)

    def _end(self, why: str) -> NoReturn:
        # Noted as well: an import may swallow what is raised in it.
        self._ignoring = self.requested = True
        raise Interrupted(why)


class PythonInterrupt:
    """The contract of `GracefulStop` for a caller in Python, whose KeyboardInterrupt it stays.

    Only a SIGINT that Python's own handler would get is taken over, and only within `deferred` and
    `ignored`: a caller's handlers, other signals and other threads keep what they have.
    """

    def __init__(self) -> None:
        self.requested = False

    def install(self) -> None:
        """Nothing is taken over for good."""

    def stop_if_requested(self) -> None:
        """Raise KeyboardInterrupt if a SIGINT was noted."""
        if self.requested:
            raise KeyboardInterrupt

    def deferred(self) -> AbstractContextManager[None]:
        """Within: the first SIGINT only sets `requested`; the second is a KeyboardInterrupt."""
        return self._handling(self._receive)

    def ignored(self) -> AbstractContextManager[None]:
        """Within: SIGINT does nothing."""
        return self._handling(signal.SIG_IGN)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        tell_that_it_stops()

    @contextlib.contextmanager
    def _handling(self, handler: Any) -> Iterator[None]:
        ours = threading.current_thread() is threading.main_thread()
        if not ours or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def tell_that_it_stops() -> None:
    """On standard error, which may be gone."""
    with contextlib.suppress(OSError):
        os.write(2, b"\nfinishing this step; press Ctrl-C again to abandon it\n")
