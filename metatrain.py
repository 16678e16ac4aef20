"""The command `metatrain`, and `python -m metatrain`.

The only module that is sure to be ours: a user may have packages called `orchestrator` or `workers`
in the way.
"""

import io
import logging
import os
import sys
from importlib.util import find_spec
from pathlib import Path

_WRONG_INPUT, _STOPPED = 2, 75


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


def in_utf8() -> None:
    """Begin again in Python's UTF-8 mode if the locale has names of files in another encoding.

    Otherwise what is typed as "é" could be no name on a file system, in a file or in Ray. What is
    printed stays in the encoding of the locale.
    """
    if sys.getfilesystemencoding() == "utf-8":
        return
    os.environ.setdefault("PYTHONIOENCODING", sys.stdout.encoding)
    os.environ["PYTHONUTF8"] = "1"  # for the processes that are started from here
    os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


def spell_out() -> None:
    r"""Have standard output and error write "\u03b8" where their encoding has no such letter."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def main() -> None:
    """Run the command line."""
    in_utf8()
    spell_out()
    # It tells of a matplotlibrc that is not used (orchestrator/drawing.py), and of its caches.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        refuse_others()
    except ImportError as error:
        print(f"metatrain: {error}", file=sys.stderr)
        raise SystemExit(_WRONG_INPUT) from None
    try:
        from orchestrator.cli import main as command_line
    except KeyboardInterrupt:
        raise SystemExit(_STOPPED) from None
    command_line()


if __name__ == "__main__":
    main()
