"""Output into pipes that may close: after `| head` the command still runs to its end."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

from orchestrator.text.plain_text import encodable, printable


@contextlib.contextmanager
def while_somebody_reads() -> Iterator[None]:
    """Cut the standard output of the block short if its reader closes the pipe."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)


def say_last(text: str) -> None:
    """Write lines to standard error at once, without rich; ignore a closed pipe."""
    shown = encodable(printable(text, keep="\n\t"), sys.stderr.encoding or "utf-8")
    try:
        print(shown, file=sys.stderr, flush=True)
    except BrokenPipeError:
        silence(sys.stderr)


def flush_all() -> None:
    """Flush both streams; the interpreter would report a closed pipe at exit."""
    for file in (sys.stdout, sys.stderr):
        try:
            if file is not None:
                file.flush()
        except BrokenPipeError:
            silence(file)


def silence(file: IO[Any]) -> None:
    """Discard everything written to the file from now on."""
    with contextlib.suppress(OSError, ValueError):  # it has no file descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, file.fileno())
        os.close(nowhere)
