"""A check against pipes and devices in place of files: reading them would never end."""

import os
import stat

from workers.wire.errors import DataError


def never_ends(path: str | os.PathLike[str]) -> bool:
    """Return whether `path` exists and is neither a file nor a folder."""
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def refuse_pipe(path: str | os.PathLike[str]) -> None:
    """Raise DataError if `path` is a pipe or a device."""
    if never_ends(path):
        raise DataError(f"{path} is a pipe or a device; write its content into a file first")
