"""The folder where presets look for data."""

import os
from pathlib import Path

from workers.tasks.pipes import refuse_pipe
from workers.wire.errors import SourceError

#: The environment variable that names it.
VARIABLE = "METATRAIN_DATA"


# Path -> the folder of the file that names it; quoted in the error when the path is not found.
_BESIDE: dict[str, Path] = {}


def looked_beside(path: str, folder: Path) -> None:
    """Record, for the error message, that a path is not in the folder of the file naming it."""
    _BESIDE[path] = folder


def data_folder() -> Path:
    """Return $METATRAIN_DATA, or ./data if it is unset."""
    return Path(os.environ.get(VARIABLE) or "data")


def find_file(path: str, setting: str) -> Path:
    """Find a file at `path`, or at `path` below the data folder.

    Args:
      setting: the setting that holds the path, for the error.
    Raises:
      SourceError: there is no such file. DataError: it is a pipe.
    """
    file = Path(path).expanduser()
    refuse_pipe(file)
    if file.is_file():
        return file.absolute()
    below = (data_folder() / file).absolute()
    if below.is_file():
        return below
    first = _BESIDE.get(path, Path()) / file
    looked = f"{file}" if file.is_absolute() else f"{first}, nor {below}"
    raise SourceError(
        f"{setting} = {path!r}: there is no file {looked}; name one, or set {VARIABLE} to the "
        "folder that has it"
    )
