"""Running a function in a new process, which may crash or hang, and whose memory is separate."""

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
    """A process that ended without an answer."""


class ChildTimeoutError(MetatrainError):
    """A process that exceeded its time limit."""


def in_child(
    function: Callable[..., Any], *arguments: Any, say: Say, limit_s: float | None = None
) -> Any:
    """Call `function(tell, *arguments)` in a new process and return its result.

    Args:
      function: a module's function, whose arguments and result pickle.
      say: receives the texts that the function passes to `tell`.
      limit_s: seconds after which the process is ended; None: never.
    Raises:
      ChildDiedError, ChildTimeoutError: there is no result.
      Exception: the function's own exception.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(sender, function, arguments), daemon=True)
    process.start()
    sender.close()  # so that the pipe ends with the process
    try:
        return _receive(receiver, say, limit_s)
    except EOFError:
        process.join(_END_S)
        raise ChildDiedError(_why_ended(process.exitcode)) from None
    finally:
        receiver.close()
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
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    signal.signal(signal.SIGTERM, _leave)
    try:
        pipe.send(("done", function(lambda text: pipe.send(("say", text)), *arguments)))
    except Exception as error:
        pipe.send(("raised", _picklable(error)))


def _leave(*_: Any) -> None:
    sys.exit(1)


def _picklable(error: Exception) -> Exception:
    with contextlib.suppress(Exception):
        if type(pickle.loads(pickle.dumps(error))) is type(error):
            return error
    return MetatrainError(f"{type(error).__name__}: {error}")


def _why_ended(code: int | None) -> str:
    if code is None or code >= 0:
        return f"the process ended without an answer (exit code {code})"
    name = signal.Signals(-code).name
    return f"the process was killed by {name}" + (f": {_LIKELY[name]}" if name in _LIKELY else "")


def _end(process: Any) -> None:
    if process.is_alive():
        process.join(_POLL_S)
    if process.is_alive():
        process.terminate()
        process.join(_END_S)
    if process.is_alive():
        process.kill()
    process.join()
