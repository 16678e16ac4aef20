"""Exit codes of the commands: 0 done, 1 the run failed, 2 the input was wrong, 75 stopped."""

import functools
from typing import NoReturn

from orchestrator.run.signals import GracefulStop
from orchestrator.text.lasting_console import say_last

#: The run failed; the input was wrong; stopped by a signal, as EX_TEMPFAIL of sysexits.h.
EXIT_FAILED, EXIT_WRONG_INPUT, EXIT_STOPPED = 1, 2, 75


@functools.cache
def stop() -> GracefulStop:
    """Return the receiver of signals, installed by the first call."""
    return GracefulStop()


def end_stopped(message: str) -> NoReturn:
    """End with 75 after a signal, with a message; no further signal changes that."""
    stop().ignore_to_the_end()
    say_last(message)
    raise SystemExit(EXIT_STOPPED) from None
