"""A function in a process of its own: it may crash or hang there, and its memory is its own."""

import contextlib
import multiprocessing
import pickle
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from workers.wire.errors import MetatrainError

Say = Callable[[str], None]

_POLL_S, _END_S = 0.5, 10.0
_LIKELY = {
    "SIGKILL": "the machine may lack memory",
    "SIGILL": "the processor lacks instructions that TensorFlow was built with",
}


class ChildDiedError(MetatrainError):
    """The process ended without an answer."""


class ChildTimeoutError(MetatrainError):
    """The process took longer than it may."""


def in_child(
    function: Callable[..., Any], *arguments: Any, say: Say, limit_s: float | None = None
) -> Any:
    """`function(tell, *arguments)`, called in a new process that imports what it needs.

    Args:
      function: of a module, with arguments and an answer that pickle; what it tells is said.
      limit_s: seconds after which it is given up; None: never.
    Raises:
      ChildDiedError, ChildTimeoutError: there is no answer.
      Exception: what the function raised.
    """
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs, function, arguments), daemon=True)
    process.start()
    theirs.close()  # so that the end of the process is the end of the pipe
    try:
        return _receive(ours, say, limit_s)
    except EOFError:
        process.join(_END_S)
        raise ChildDiedError(_why_ended(process.exitcode)) from None
    finally:
        ours.close()
        _end(process)


def _receive(pipe: Connection, say: Say, limit_s: float | None) -> Any:
    began = time.monotonic()
    while True:
        while not pipe.poll(_POLL_S):
            if limit_s is not None and time.monotonic() - began > limit_s:
                raise ChildTimeoutError(f"no answer in {limit_s:.0f} s")
        kind, value = pipe.recv()
        if kind == "raised":
            raise value
        if kind == "done":
            return value
        say(value)


def _serve(pipe: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to act on
    signal.signal(signal.SIGTERM, _leave)
    try:
        pipe.send(("done", function(lambda text: pipe.send(("say", text)), *arguments)))
    except Exception as error:
        pipe.send(("raised", _that_pickles(error)))


def _leave(*_: Any) -> None:
    sys.exit(1)


def _that_pickles(error: Exception) -> Exception:
    with contextlib.suppress(Exception):
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    return MetatrainError(f"{type(error).__name__}: {error}")


def _why_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"the process ended without a word (exit code {code})"
    name = signal.Signals(-code).name
    return f"the process was ended by {name}" + (f": {_LIKELY[name]}" if name in _LIKELY else "")


def _end(process: Any) -> None:
    if process.is_alive():
        process.join(_POLL_S)
    if process.is_alive():
        process.terminate()
        process.join(_END_S)
    if process.is_alive():
        process.kill()
    process.join()
