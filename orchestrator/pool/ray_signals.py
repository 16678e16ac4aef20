"""Keeps the signals of a process its own while Ray starts in it."""

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
def signals_kept() -> Iterator[None]:
    """Deliver a SIGTERM that comes within `ray.init` to the handler that the process had before.

    `ray.init` puts a handler of its own in its place, and exits by it. An exit that is raised in a
    callback of the interpreter is lost, so the signal is noted too, and raised again at the end.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    os.environ.setdefault("RAY_DISABLE_FAILURE_SIGNAL_HANDLER", "1")
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    terminated = False

    def terminate(number: int, frame: FrameType | None) -> NoReturn:
        nonlocal terminated
        terminated = True
        sys.exit(number)

    try:
        with _sigterm_handler_of_ray(terminate), _quiet_lost_exits():
            yield
    except SystemExit:
        if not terminated:
            raise
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if terminated:
        signal.raise_signal(signal.SIGTERM)


@contextlib.contextmanager
def _sigterm_handler_of_ray(handler: Callable[[int, FrameType | None], Any]) -> Iterator[None]:
    """Within: where Ray installs a handler of SIGTERM, install this one."""
    install = ray_utils.set_sigterm_handler
    ray_utils.set_sigterm_handler = lambda _: install(handler)
    try:
        yield
    finally:
        ray_utils.set_sigterm_handler = install


@contextlib.contextmanager
def _quiet_lost_exits() -> Iterator[None]:
    """Within: print no traceback of an exit that was raised where nothing can pass it on."""
    report = sys.unraisablehook

    def report_errors(lost: Any) -> None:
        if issubclass(lost.exc_type, Exception):
            report(lost)

    sys.unraisablehook = report_errors
    try:
        yield
    finally:
        sys.unraisablehook = report
