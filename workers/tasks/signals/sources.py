"""Where signals are from: a folder or zip of files, numpy's files, or a table."""

import os
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from workers.tasks.data_folder import VARIABLE, data_folder
from workers.tasks.pipes import refuse_pipe
from workers.tasks.signals import array_files, audio
from workers.tasks.signals.columns import Wanted
from workers.tasks.signals.recordings import Signal
from workers.tasks.signals.table_signals import of_table
from workers.tasks.table.table_files import SUFFIXES as TABLES
from workers.wire.errors import DataError, SourceError

#: What a folder or a zip is looked through for.
_MEMBERS = (".npy", *audio.SUFFIXES)
FORMS = (
    "a folder or zip of CLASS/SIGNAL files (.npy, .wav, .flac), or an .npz, .npy, .csv, .tsv, "
    ".parquet, .arrow or .feather file"
)


def find_source(path: str, setting: str = "task.path") -> Path:
    """Find a file or folder as named, or below the data folder.

    Raises:
      SourceError: there is none.
    """
    given = Path(path).expanduser()
    for place in (given, data_folder() / given):
        refuse_pipe(place)
        if place.exists():
            return place.absolute()
    below = (data_folder() / given).absolute()
    looked = str(given) if given.is_absolute() else f"{given.absolute()}, nor {below}"
    raise SourceError(
        f"{setting} = {path!r}: there is nothing at {looked}; name {FORMS}, or set {VARIABLE} to "
        "the folder that has it"
    )


def read_signals(path: Path, wanted: Wanted) -> Iterator[Signal]:
    """All signals of a source, in an order that does not depend on the machine.

    Raises:
      DataError: it cannot be read, is of another form, or lacks a column or label.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        return _of_members(path, _members_of(path), lambda name: _content(path / name), wanted)
    if suffix == ".zip":
        return _of_zip(path, wanted)
    if suffix == ".npz":
        return array_files.of_npz(path, wanted)
    if suffix == ".npy":
        return array_files.of_npy(path, _content(path), wanted)
    if suffix in TABLES:
        return of_table(path, wanted)
    if suffix in audio.SUFFIXES and wanted.labelled != "needed":
        return _of_members(path.parent, [path.name], lambda _: _content(path), wanted)
    if suffix in audio.SUFFIXES:
        raise SourceError(f"{path} is one signal; give a folder with a folder of them a class")
    raise SourceError(f"{path} is of an unsupported type ({suffix or 'no ending'}); give {FORMS}")


def _content(path: Path) -> bytes:
    refuse_pipe(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _members_of(folder: Path) -> list[str]:
    """Files that may hold signals, by their paths within the folder, sorted."""
    found = []
    for root, folders, files in os.walk(folder, followlinks=True):
        folders[:] = sorted(name for name in folders if not _is_hidden(name))
        at = Path(root).relative_to(folder)
        found += [(at / name).as_posix() for name in files if not _is_hidden(name)]
    return sorted(found)


def _of_zip(path: Path, wanted: Wanted) -> Iterator[Signal]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(n for n in archive.namelist() if not any(map(_is_hidden, n.split("/"))))
            yield from _of_members(path, names, archive.read, wanted)
    except DataError:
        raise
    # zipfile passes on what its decompressors and its password check raise.
    except Exception as error:
        line = str(error).partition("\n")[0]
        raise DataError(f"{path}: not a zip that can be read ({line})") from error


def _of_members(
    source: Path, members: Sequence[str], read: Callable[[str], bytes], wanted: Wanted
) -> Iterator[Signal]:
    """Each file is one signal, and one recording; its class is the folders that it is in."""
    taken = [name for name in members if PurePosixPath(name).suffix.lower() in _MEMBERS]
    if not taken:
        there = sorted({PurePosixPath(name).suffix or "no ending" for name in members})
        what = f"only files that are not read ({', '.join(there[:5])})" if there else "nothing"
        raise DataError(f"{source} holds {what}; expected CLASS/SIGNAL.npy or .wav and the like")
    folders = [PurePosixPath(name).parts[:-1] for name in taken]
    nested = len({parts[:1] for parts in folders}) == 1 and min(map(len, folders)) > 1
    for name, parts in zip(taken, folders, strict=True):
        label = "/".join(parts[nested:])
        if not label and wanted.labelled == "needed":
            raise DataError(f"{source}: {name} is in no folder; a class is a folder of signals")
        if wanted.measures and wanted.labelled == "needed":
            raise DataError(
                f"{source}: files hold no values to predict (task.target = 'value'); save an .npz "
                "or a table with a column of them"
            )
        content = read(name)
        if PurePosixPath(name).suffix.lower() == ".npy":
            values, rate = array_files.load_array(content, name), None
        else:
            values, rate = audio.read_audio(content, name)
        labelled = label and wanted.labelled != "unused" and not wanted.measures
        yield Signal(name, values, label if labelled else None, name, None, rate)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
