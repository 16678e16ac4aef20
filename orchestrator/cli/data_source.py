"""The task family that a path given alone holds data of, by the endings of its files."""

import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

from workers.settings.tasks import TASKS

#: The family of a path that is not recognized.
USUAL = "images"
# What images are read from, beside files that are images themselves.
_OF_IMAGES = (".zip", ".parquet")


def kind_of(path: Path) -> str:
    """Recognize the task family by the endings of files; images, if nothing else is certain.

    A folder or a zip in which there is an image, or a file that images are read from, is of images.
    """
    suffix = path.suffix.lower()
    if not path.is_dir() and suffix != ".zip":
        return next((kind for kind, record in TASKS.items() if suffix in record.suffixes), USUAL)
    endings = Counter(PurePosixPath(name).suffix.lower() for name in _members(path))
    if any(ending in endings for ending in (*TASKS[USUAL].members, *_OF_IMAGES)):
        return USUAL
    counts = {
        kind: sum(endings[ending] for ending in record.members) for kind, record in TASKS.items()
    }
    most = max(counts, key=lambda kind: counts[kind])
    return most if counts[most] else USUAL


def _members(path: Path) -> Iterator[str]:
    """Yield the names of files in a folder or a zip; none if it cannot be read."""
    found: Iterable[str]
    if path.is_dir():
        found = (
            Path(root, name).relative_to(path).as_posix()
            for root, _, files in os.walk(path)
            for name in files
        )
    else:
        try:
            with zipfile.ZipFile(path) as archive:
                found = archive.namelist()
        except (zipfile.BadZipFile, OSError):
            return
    yield from (name for name in found if not any(map(_is_hidden, name.split("/"))))


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
