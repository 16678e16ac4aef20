"""The folder of caches: in the user's home, or else a temporary folder.

In a container the user may have no home, or one that is not writable.
"""

import os
import tempfile
from pathlib import Path

from workers.settings.images_task import DEFAULT_CACHE
from workers.wire.errors import DataError


def cache_file(setting: str, name: str, key: str = "task.cache") -> Path:
    """Return the path of a file in the cache, which may not exist yet.

    Args:
      setting: the folder. One that the user named is always used; an error in it shows when the
        file is written.
      key: the setting's name, for errors.
    Raises:
      DataError: the temporary folder belongs to another user.
    """
    if setting != DEFAULT_CACHE:
        return Path(setting).expanduser() / name
    try:
        file = Path(setting).expanduser() / name
    except RuntimeError:  # the user has no entry in the list of users
        return _temporary(key) / name
    return file if file.exists() or _may_write(file.parent) else _temporary(key) / name


def _may_write(folder: Path) -> bool:
    """Return whether the folder, or its nearest existing parent, is writable."""
    while not folder.exists():
        folder = folder.parent
    return os.access(folder, os.W_OK | os.X_OK)


def _temporary(key: str) -> Path:
    """Make a folder that only this user can write to, as its content is trusted."""
    folder = Path(tempfile.gettempdir(), f"metatrain-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o022 or folder.is_symlink():
        raise DataError(
            f"{key}: there is no home folder for caches, and {folder} belongs to another user or "
            f"can be written by others; use --set {key}=FOLDER"
        )
    return folder
