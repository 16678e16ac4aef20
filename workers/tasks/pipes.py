"""Pipes and devices in the place of files: a reader would wait, or read, for ever."""

import os
import stat

from workers.wire.errors import DataError


def never_ends(path: str | os.PathLike[str]) -> bool:
    """Whether something is there that is neither a file nor a folder."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def refuse_pipe(path: str | os.PathLike[str]) -> None:
    """Raise DataError if what is there never ends."""
    if never_ends(path):
        raise DataError(f"{path} is a pipe or a device; write its content into a file first")
