"""How a command ends: exit codes 0 done, 1 the run failed, 2 the input was wrong, 75 stopped."""

import functools
from collections.abc import Callable
from typing import NoReturn

from orchestrator.lasting_console import say_last
from orchestrator.signals import GracefulStop

EXIT_FAILED, EXIT_WRONG_INPUT, EXIT_STOPPED = 1, 2, 75


@functools.cache
def stop() -> GracefulStop:
    """Who receives the signals, from the first time that this is asked."""
    return GracefulStop()


def end_stopped(message: Callable[[], str]) -> NoReturn:
    """End with 75 after a signal; no further one changes that."""
    stop().ignore_to_the_end()
    say_last(message())
    raise SystemExit(EXIT_STOPPED) from None
