"""The files below a folder, through links."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

from workers.wire.errors import DataError


def members_of(
    folder: Path, is_skipped: Callable[[str], bool] = lambda name: False
) -> Iterator[str]:
    """Yield all files below a folder, as paths relative to it; links are followed.

    Args:
      is_skipped: whether a file or folder of this name is left out, with all that is below it.
    Raises:
      DataError: a folder cannot be read.
    """
    visited: set[tuple[int, int]] = set()
    for root, folders, files in os.walk(folder, onerror=_refuse, followlinks=True):
        status = Path(root).stat()
        if (status.st_dev, status.st_ino) in visited:  # a link to a folder above it
            folders.clear()
            continue
        visited.add((status.st_dev, status.st_ino))
        folders[:] = sorted(name for name in folders if not is_skipped(name))
        for name in files:
            if not is_skipped(name):
                yield Path(root, name).relative_to(folder).as_posix()


def _refuse(error: OSError) -> NoReturn:
    raise DataError(f"{error.filename}: cannot be read ({error.strerror})") from None
