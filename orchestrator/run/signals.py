"""The handling of signals, which stop a run without losing a step."""

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
    """The request to end the process. Not an Exception, so that no handler swallows it."""


class Stop(Protocol):
    """The contract of a handler of a run's signals."""

    def install(self) -> None:
        """Take over the signals."""

    def stop_if_requested(self) -> None:
        """Raise the exception that ends the run, if a signal was noted."""

    def deferred(self) -> AbstractContextManager[None]:
        """Return a context in which the first signal is only noted."""

    def at_once(self) -> AbstractContextManager[None]:
        """Return a context within `deferred` that ends at the first signal, or at a noted one."""

    def ignored(self) -> AbstractContextManager[None]:
        """Return a context in which signals do nothing."""


class NoStop:
    """The null object of `Stop`, which leaves all signals alone."""

    def install(self) -> None:
        """Take over no signal."""

    def stop_if_requested(self) -> None:
        """Do nothing: no signal is noted."""

    def deferred(self) -> AbstractContextManager[None]:
        """Return an empty context."""
        return contextlib.nullcontext()

    def at_once(self) -> AbstractContextManager[None]:
        """Return an empty context."""
        return contextlib.nullcontext()

    def ignored(self) -> AbstractContextManager[None]:
        """Return an empty context."""
        return contextlib.nullcontext()


class GracefulStop:
    """The handler of the command line: it notes the first signal within a step.

    Other signals raise Interrupted. From then on signals are ignored, because the process saves and
    ends.

    requested: whether a signal was noted.
    """

    def __init__(self) -> None:
        self.requested = False
        self._deferring = self._ignoring = False
        self.install()

    def install(self) -> None:
        """Take over the signals, except a SIGHUP that is ignored, as under nohup."""
        for number in _SIGNALS:
            if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._receive)

    def stop_if_requested(self) -> None:
        """Raise Interrupted if a signal was noted."""
        if self.requested:
            self._end("between two steps")

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Only set `requested` at the first signal within the context."""
        self._deferring = True
        try:
            yield
        finally:
            self._deferring = False

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise Interrupted at a signal within the context, and if one was noted before."""
        previous, self._deferring = self._deferring, False
        try:
            self.stop_if_requested()
            yield
        finally:
            self._deferring = previous

    @contextlib.contextmanager
    def ignored(self) -> Iterator[None]:
        """Ignore signals within the context, such as while a checkpoint is written."""
        previous, self._ignoring = self._ignoring, True
        try:
            yield
        finally:
            self._ignoring = previous

    def ignore_to_the_end(self) -> None:
        """Ignore signals from now on, so that none changes the exit code of the ending process."""
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._ignoring:
            return
        if self._deferring and not self.requested:
            self.requested = True
            announce_stop()
            return
        self._end(signal.Signals(number).name)

    def _end(self, why: str) -> NoReturn:
        # Noted as well, because an import may swallow the exception.
        self._ignoring = self.requested = True
        raise Interrupted(why)


class PythonInterrupt:
    """The handler for callers in Python: SIGINT stays a KeyboardInterrupt.

    Only a SIGINT for Python's own handler is taken over, and only within `deferred` and `ignored`.
    Handlers of the caller, other signals and other threads are not changed.

    requested: whether a SIGINT was noted.
    """

    def __init__(self) -> None:
        self.requested = False

    def install(self) -> None:
        """Do nothing: signals are taken over within contexts only."""

    def stop_if_requested(self) -> None:
        """Raise KeyboardInterrupt if a SIGINT was noted."""
        if self.requested:
            raise KeyboardInterrupt

    def deferred(self) -> AbstractContextManager[None]:
        """Return a context in which the first SIGINT is noted and the second one raises."""
        return self._handling(self._receive)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Raise KeyboardInterrupt at a SIGINT within the context, and if one was noted before."""
        is_ours = signal.getsignal(signal.SIGINT) == self._receive
        if is_ours:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            self.stop_if_requested()
            yield
        finally:
            if is_ours:
                signal.signal(signal.SIGINT, self._receive)

    def ignored(self) -> AbstractContextManager[None]:
        """Return a context in which SIGINT does nothing."""
        return self._handling(signal.SIG_IGN)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        announce_stop()

    @contextlib.contextmanager
    def _handling(self, handler: Any) -> Iterator[None]:
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            yield
            return
        signal.signal(signal.SIGINT, handler)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, signal.default_int_handler)


@contextlib.contextmanager
def as_keyboard_interrupts() -> Iterator[None]:
    """Raise KeyboardInterrupt at our signals within the context, as asyncio expects.

    It drops any other exception that a handler raises within one of its callbacks.
    """
    handlers: dict[int, Any] = {number: signal.getsignal(number) for number in _SIGNALS}
    for number, handler in handlers.items():
        if callable(handler):
            signal.signal(number, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, handler)


def announce_stop() -> None:
    """Say on standard error, which may be closed, that the step is finished first."""
    with contextlib.suppress(OSError):
        os.write(2, b"\nfinishing this step; press Ctrl-C again to abandon it\n")
