"""The command `metatrain`, `python -m metatrain`, and the Python API: MetaTrainer and Learner.

Only this module's name is sure to be unique: a user may have packages called `orchestrator` or
`workers`. They are imported on first use, since Ray and TensorFlow take seconds to import.
"""

import contextlib
import io
import logging
import os
import signal
import sys
import threading
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.learner import Learner
    from orchestrator.trainer import MetaTrainer

    __version__: str

__all__ = ["Learner", "MetaTrainer", "__version__"]

_HOMES = {"Learner": "orchestrator.learner", "MetaTrainer": "orchestrator.trainer"}
_WRONG_INPUT, _STOPPED = 2, 75
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_stopped: list[int] = []


def __getattr__(name: str) -> Any:
    """Import a name on first use. Raises ImportError if another package hides metatrain's."""
    if name == "__version__":
        return _version()
    if name not in _HOMES:
        raise AttributeError(f"module 'metatrain' has no attribute {name!r}")
    refuse_others()
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _version() -> str:
    """Return the version of the installed distribution; "0+unknown" if it is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("metatrain")
    except PackageNotFoundError:
        return "0+unknown"


def refuse_others() -> None:
    """Make sure that metatrain's own packages will be imported.

    Raises:
      ImportError: another package of the same name comes first; the message says where it is.
    """
    for name in ("orchestrator", "workers"):
        spec = find_spec(name)
        ours = Path(__file__).resolve().with_name(name) / "__init__.py"
        if spec is None or spec.origin is None or Path(spec.origin).resolve() != ours:
            other = spec and (spec.origin or list(spec.submodule_search_locations or []))
            raise ImportError(
                f"your package {name!r} ({other}) hides metatrain's package of the same name; "
                "rename it, or take it off the import path (PYTHONPATH)"
                if other
                else f"metatrain's package {name!r} is not installed; install metatrain again"
            )


def in_utf8() -> None:
    """Restart in Python's UTF-8 mode if the locale's file names have another encoding.

    Otherwise a typed "é" might be an invalid name on a file system, in a file or in Ray. Output
    stays in the locale's encoding.
    """
    if sys.getfilesystemencoding() == "utf-8":
        return
    os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
    os.environ["PYTHONUTF8"] = "1"  # for child processes
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def name_process() -> None:
    """Name this process "metatrain", by which a pod that must end finds it; else it is "python"."""
    with contextlib.suppress(OSError):  # a system without /proc
        Path("/proc/self/comm").write_text("metatrain")


def spell_out() -> None:
    r"""Make standard output and error write "\u03b8" for a letter that their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command line."""
    _stop_on_signals()
    in_utf8()
    name_process()
    spell_out()
    # Pictures are files and need no windows; Keras fails to start with an unknown backend.
    os.environ["MPLBACKEND"] = "agg"
    # matplotlib warns about a matplotlibrc that is not used (reporting/drawing.py) and its caches.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        refuse_others()
    except ImportError as error:
        print(f"metatrain: {error}", file=sys.stderr)
        raise SystemExit(_WRONG_INPUT) from None
    from orchestrator.cli.app import main as command_line

    if _stopped:  # an import has swallowed the exception
        raise SystemExit(_STOPPED)
    try:
        command_line()
    finally:
        # Keep the exit code: the interpreter restores default signal handlers as it ends.
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                signal.signal(number, signal.SIG_IGN)


def _stop_on_signals() -> None:
    """Stop on signals while the command line is imported; it handles them itself afterwards."""
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
