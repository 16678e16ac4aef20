"""The .npz files of a folder or a zip, and the arrays in each."""

import io
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from workers.tasks.data_folder import VARIABLE, data_folder, find_file
from workers.tasks.listing import listed
from workers.wire.errors import DataError, SourceError

_SUFFIX = ".npz"
_OWN = ("x", "y")
_QUERY = ("query_x", "query_y")


@dataclass(frozen=True, slots=True)
class Files:
    """Where they are, their names without the ending, sorted, and how the bytes of one are read."""

    source: str
    names: Sequence[str]
    read: Callable[[str], bytes]

    def said(self, name: str) -> str:
        """How errors call a file."""
        return f"{self.source}: {name}{_SUFFIX}"


@contextmanager
def open_files(path: str) -> Iterator[Files]:
    """List the .npz files below a folder, or in a zip.

    Args:
      path: as it is named, or below the data folder.
    Raises:
      SourceError: nothing is there. DataError: it is neither, or holds none.
    """
    folder = _find_folder(path)
    if folder is not None:
        files = {file.relative_to(folder).as_posix(): file for file in folder.rglob(f"*{_SUFFIX}")}
        yield _of(str(folder), list(files), lambda name: files[name].read_bytes())
        return
    file = find_file(path, "task.path")
    if file.suffix.lower() == _SUFFIX:
        raise DataError(
            f"task.path = {path!r} is one .npz file, which is one task; name the folder of all of "
            "them"
        )
    if not zipfile.is_zipfile(file):
        raise DataError(
            f"task.path = {path!r} is neither a folder nor a .zip of .npz files, a task each"
        )
    with zipfile.ZipFile(file) as archive:
        inside = [name for name in archive.namelist() if name.lower().endswith(_SUFFIX)]
        yield _of(str(file), inside, archive.read)


def _of(source: str, places: Sequence[str], read: Callable[[str], bytes]) -> Files:
    shown = [
        place
        for place in places
        if not any(part.startswith((".", "__MACOSX")) for part in place.split("/"))
    ]
    if not shown:
        raise DataError(f"{source} holds no {_SUFFIX} files; each task is one, with arrays x and y")
    place_of = {place[: -len(_SUFFIX)]: place for place in shown}
    return Files(source, sorted(place_of), lambda name: read(place_of[name]))


def _find_folder(path: str) -> Path | None:
    given = Path(path).expanduser()
    for folder in (given, data_folder() / given):
        if folder.is_dir():
            return folder.absolute()
    if given.suffix or given.exists():
        return None
    below = (data_folder() / given).absolute()
    raise SourceError(
        f"task.path = {path!r}: there is no folder {given}, nor {below}; name a folder or a "
        f".zip of .npz files, or set {VARIABLE} to the folder that has it"
    )


def read_file(files: Files, name: str) -> dict[str, NDArray[np.generic]]:
    """Read x and y, and query_x and query_y where they are there, of numbers that are finite.

    Raises:
      DataError: the file cannot be read, lacks one of them, or they are not as they must be; names
        the file.
    """
    said = files.said(name)
    try:
        with np.load(io.BytesIO(files.read(name)), allow_pickle=False) as found:
            there = list(found.files)
            wanted = [*_OWN, *(each for each in _QUERY if each in there)]
            if missing := [each for each in wanted if each not in there]:
                raise DataError(
                    f"{said} has no array {' and no '.join(map(repr, missing))}; it holds "
                    f"{listed(there) or 'nothing'}: np.savez(file, x=..., y=...)"
                )
            if len(wanted) == 3:
                raise DataError(f"{said} has {wanted[2]!r} alone; query_x and query_y go together")
            arrays = {each: found[each] for each in wanted}
    except DataError:
        raise
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise DataError(
                f"{said} holds Python objects; save arrays of numbers, of one shape each"
            ) from None
        raise _unreadable(said, error) from error
    except (OSError, EOFError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise _unreadable(said, error) from error
    for x, y in (_OWN, _QUERY)[: len(arrays) // 2]:
        _check(said, arrays, x, y)
    return arrays


def _unreadable(said: str, error: Exception) -> DataError:
    told = " ".join(str(error).split())[:120]
    return DataError(f"{said} cannot be read as .npz ({type(error).__name__}: {told})")


def _check(said: str, arrays: dict[str, NDArray[np.generic]], x: str, y: str) -> None:
    for name in (x, y):
        array = arrays[name]
        if array.dtype.kind not in "fiub":
            raise DataError(f"{said}: {name} is of dtype {array.dtype}, not of numbers")
        if not array.ndim or not len(array):
            raise DataError(f"{said}: {name} holds no examples; its shape is {list(array.shape)}")
        with np.errstate(over="ignore"):
            finite = np.isfinite(array.astype(np.float32)) if array.dtype.kind == "f" else None
        if finite is not None and not finite.all():
            place = tuple(np.argwhere(~finite)[0])
            raise DataError(
                f"{said}: {name}{list(map(int, place))} is {array[place]}; finite numbers of "
                "float32 are needed"
            )
    if len(arrays[x]) != len(arrays[y]):
        raise DataError(
            f"{said}: {x} has {len(arrays[x])} examples, {y} has {len(arrays[y])}; each x needs a y"
        )
