"""Signal handling while Ray starts: the process keeps its own handlers."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, NoReturn

import ray._private.utils as ray_utils


@contextlib.contextmanager
def keep_signals() -> Iterator[None]:
    """Deliver SIGTERM and SIGINT that arrive within `ray.init` to the handlers set before.

    `ray.init` installs a handler of its own for SIGTERM, which exits. What a handler raises in a
    callback of the interpreter is lost, so the signal is noted as well, and raised again at the
    end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
    handlers: dict[int, Any] = {
        number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)
    }
    raised: set[int] = set()

    def terminate(number: int, frame: FrameType | None) -> NoReturn:
        raised.add(number)
        sys.exit(number)

    def interrupt(number: int, frame: FrameType | None) -> None:
        try:
            handlers[signal.SIGINT](number, frame)
        except BaseException:
            raised.add(number)
            raise

    if callable(handlers[signal.SIGINT]):
        signal.signal(signal.SIGINT, interrupt)
    try:
        with _sigterm_handler_of_ray(terminate), _quiet_lost_exits():
            yield
    except SystemExit:
        if signal.SIGTERM not in raised:
            raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    for number in raised:  # nothing has left this block
        signal.raise_signal(number)


@contextlib.contextmanager
def _sigterm_handler_of_ray(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Install `handler` where Ray installs its own handler of SIGTERM."""
    install = ray_utils.set_sigterm_handler
    ray_utils.set_sigterm_handler = lambda _: install(handler)
    try:
        yield
    finally:
        ray_utils.set_sigterm_handler = install


@contextlib.contextmanager
def _quiet_lost_exits() -> Iterator[None]:
    """Print no traceback of an exit that was raised where it cannot propagate."""
    report = sys.unraisablehook

    def report_errors(unraisable: Any) -> None:
        if issubclass(unraisable.exc_type, Exception):
            report(unraisable)

    sys.unraisablehook = report_errors
    try:
        yield
    finally:
        sys.unraisablehook = report
