"""The command `metatrain`, and `python -m metatrain`.

The only module that is sure to be ours: a user may have packages called `orchestrator` or `workers`
in the way.
"""

import signal
import sys
import threading
from importlib.util import find_spec
from pathlib import Path

_WRONG_INPUT, _STOPPED = 2, 75
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_stopped: list[int] = []


def refuse_others() -> None:
    """Make sure that our own packages will be imported.

    Raises:
      ImportError: somebody else's package comes first; says where it is.
    """
    for name in ("orchestrator", "workers"):
        spec = find_spec(name)
        ours = Path(__file__).resolve().with_name(name) / "__init__.py"
        if spec is None or spec.origin is None or Path(spec.origin).resolve() != ours:
            other = spec and (spec.origin or list(spec.submodule_search_locations or []))
            raise ImportError(
                f"{other or 'nothing'} stands where metatrain's own package {name!r} is to be "
                "imported from; rename it, or take it off the import path (PYTHONPATH)"
            )


def main() -> None:
    """Run the command line."""
    _stop_on_signals()
    try:
        refuse_others()
    except ImportError as error:
        print(f"metatrain: {error}", file=sys.stderr)
        raise SystemExit(_WRONG_INPUT) from None
    from orchestrator.cli import main as command_line

    if _stopped:  # an import has swallowed it
        raise SystemExit(_STOPPED)
    try:
        command_line()
    finally:
        # The exit code stands: the interpreter would give signals their own back as it ends.
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)


def _stop_on_signals() -> None:
    """While the command line is imported, which takes a second; then it takes signals itself."""
    if threading.current_thread() is not threading.main_thread():
        return
    for number in _SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _stop(number: int, frame: object) -> None:
    _stopped.append(number)
    raise SystemExit(_STOPPED)


if __name__ == "__main__":
    main()
