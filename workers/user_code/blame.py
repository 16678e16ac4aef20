"""Where in a user's code an error came from, in a line."""

import sysconfig
import traceback
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[2]
_OURS = [f"{_ROOT / package}/" for package in ("workers", "orchestrator")]


class CallError(Exception):
    """A user's function raised. which: task or tasks. error: what it raised."""

    def __init__(self, which: str, error: BaseException):
        super().__init__(which)
        self.which, self.error = which, error

    def told(self, folder: str) -> str:
        """Say it in a line: "raised ZeroDivisionError at tasks.py, line 3 (`1 / 0`): ..."."""
        error = self.error
        return f"raised {type(error).__name__}{line_of(error, folder)}: {first_line(error)}"

    def trace(self) -> str:
        """Format the frames below metatrain's own, for whoever needs more than the line."""
        frames = traceback.extract_tb(self.error.__traceback__)
        theirs = [frame for frame in frames if not frame.filename.startswith(tuple(_OURS))]
        return "".join(traceback.format_list(theirs)).rstrip()


def line_of(error: BaseException, folder: str = "") -> str:
    """Name the last line of the user's code: " at tasks.py, line 3 (`1 / 0`)"; "" if there is none.

    Args:
      folder: where the user's code is; "": anywhere but here and among the installed packages.
    """
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if (folder and frame.filename.startswith(folder)) or not _is_others(frame.filename)
    ]
    if not frames:
        return ""
    last = frames[-1]
    said = f" (`{last.line}`)" if last.line else ""
    return f" at {Path(last.filename).name}, line {last.lineno}{said}"


def _is_others(file: str) -> bool:
    """Whether a file is Python's, an installed package's, or one of metatrain's own."""
    if any(name in file for name in ("site-packages", "dist-packages", "<frozen")):
        return True
    return file.startswith((sysconfig.get_path("stdlib"), *_OURS))


def first_line(error: BaseException) -> str:
    """Quote the first line of an error that says something."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:200] if lines else "without a message"
