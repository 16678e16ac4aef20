"""Where decoded images are kept: in the user's home, or where there is none in a temporary folder.

A container may run as a user that has no home, or one that cannot be written to.
"""

import os
import tempfile
from pathlib import Path

from workers.settings.images_task import DEFAULT_CACHE
from workers.wire.errors import DataError


def cache_file(setting: str, name: str) -> Path:
    """The place of a file, which may not be there yet.

    Args:
      setting: task.cache; a folder that the user named is used, or refused when it is written to.
    Raises:
      DataError: the temporary folder is somebody else's.
    """
    if setting != DEFAULT_CACHE:
        return Path(setting).expanduser() / name
    try:
        file = Path(setting).expanduser() / name
    except RuntimeError:  # who runs this has no entry in the list of users
        return _temporary() / name
    return file if file.exists() or _may_write(file.parent) else _temporary() / name


def _may_write(folder: Path) -> bool:
    """Also into one that is to be made."""
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


def _temporary() -> Path:
    """This user's alone: what lies in it is believed."""
    folder = Path(tempfile.gettempdir(), f"metatrain-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022 or folder.is_symlink():
        raise DataError(
            f"task.cache: there is no home to keep decoded images in, and {folder} is somebody "
            "else's; use --set task.cache=FOLDER"
        )
    return folder
