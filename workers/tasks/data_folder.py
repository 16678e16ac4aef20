"""The folder where presets look for data."""

import os
from pathlib import Path

from workers.tasks.pipes import refuse_pipe
from workers.wire.errors import SourceError

#: The environment variable that names it.
VARIABLE = "METATRAIN_DATA"


# Path -> the folder of the file that names it: told where it is not found there either.
_BESIDE: dict[str, Path] = {}


def looked_beside(path: str, folder: Path) -> None:
    """Remember, for the error, that a path is not in the folder of the file that names it."""
    _BESIDE[path] = folder


def data_folder() -> Path:
    """$METATRAIN_DATA, else ./data."""
    return Path(os.environ.get(VARIABLE) or "data")


def find_file(path: str, setting: str) -> Path:
    """A file, as it is named or below the data folder.

    Args:
      setting: where it is named, for the error.
    Raises:
      SourceError: there is none. DataError: it is a pipe.
    """
    given = Path(path).expanduser()
    refuse_pipe(given)
    if given.is_file():
        return given.absolute()
    below = (data_folder() / given).absolute()
    if below.is_file():
        return below
    first = _BESIDE.get(path, Path()) / given
    looked = f"{given}" if given.is_absolute() else f"{first}, nor {below}"
    raise SourceError(
        f"{setting} = {path!r}: there is no file {looked}; name one, or set {VARIABLE} to the "
        "folder that has it"
    )
