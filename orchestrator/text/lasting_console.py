"""Output whose reader may go: `| head` has seen enough, and the command goes on to its end."""

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

from orchestrator.text.plain_text import encodable, printable


@contextlib.contextmanager
def while_somebody_reads() -> Iterator[None]:
    """Within: what is printed on standard output is cut short where its reader goes."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)


def say_last(text: str) -> None:
    """Lines on standard error, if somebody reads it; at once, without rich."""
    shown = encodable(printable(text, keep="\n\t"), sys.stderr.encoding or "utf-8")
    try:
        print(shown, file=sys.stderr, flush=True)
    except BrokenPipeError:
        silence(sys.stderr)


def flush_all() -> None:
    """So that nothing is left for the interpreter to flush, whose failing would be told."""
    for file in (sys.stdout, sys.stderr):
        try:
            if file is not None:
                file.flush()
        except BrokenPipeError:
            silence(file)


def silence(file: IO[Any]) -> None:
    """What goes there goes nowhere from now on."""
    with contextlib.suppress(OSError, ValueError):  # it has no descriptor
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, file.fileno())
        os.close(nowhere)
