"""Where signals are from: a folder or zip of files, numpy's files, or a table."""

import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from workers.tasks.data_folder import VARIABLE, data_folder
from workers.tasks.folder_files import members_of
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


def read_signals(path: Path, wanted: Wanted, notes: list[str] | None = None) -> Iterator[Signal]:
    """All signals of a source, in an order that does not depend on the machine.

    Args:
      notes: for users; what is left out is added while the signals are read.
    Raises:
      DataError: it cannot be read, is of another form, lacks a column or label, or has no columns
        where some are named.
    """
    suffix = path.suffix.lower()
    notes = [] if notes is None else notes
    wanted.refuse_unread(path)
    if path.is_dir():
        members = sorted(members_of(path, _is_hidden))
        return _of_members(path, members, lambda name: _content(path / name), wanted, notes)
    if suffix == ".zip":
        return _of_zip(path, wanted, notes)
    if suffix == ".npz":
        return array_files.of_npz(path, wanted)
    if suffix == ".npy":
        return array_files.of_npy(path, _content(path), wanted)
    if suffix in TABLES:
        return of_table(path, wanted, notes)
    if suffix in audio.SUFFIXES and wanted.labelled != "needed":
        return _of_members(path.parent, [path.name], lambda _: _content(path), wanted, notes)
    if suffix in audio.SUFFIXES:
        raise SourceError(f"{path} is one signal; give a folder with a folder of them a class")
    raise SourceError(f"{path} is of an unsupported type ({suffix or 'no ending'}); give {FORMS}")


def _content(path: Path) -> bytes:
    refuse_pipe(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _of_zip(path: Path, wanted: Wanted, notes: list[str]) -> Iterator[Signal]:
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(n for n in archive.namelist() if not any(map(_is_hidden, n.split("/"))))
            yield from _of_members(path, names, archive.read, wanted, notes)
    except DataError:
        raise
    # zipfile passes on what its decompressors and its password check raise.
    except Exception as error:
        line = str(error).partition("\n")[0]
        raise DataError(f"{path}: not a zip that can be read ({line})") from error


def _of_members(
    source: Path,
    members: Sequence[str],
    read: Callable[[str], bytes],
    wanted: Wanted,
    notes: list[str],
) -> Iterator[Signal]:
    """Each file is one signal, and one recording; its class is the folders that it is in."""
    taken = [name for name in members if PurePosixPath(name).suffix.lower() in _MEMBERS]
    if not taken:
        there = sorted({PurePosixPath(name).suffix or "no ending" for name in members})
        what = f"only files that are not read ({', '.join(there[:5])})" if there else "nothing"
        raise DataError(f"{source} holds {what}; expected CLASS/SIGNAL.npy or .wav and the like")
    notes += _note_of_skipped(members)
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


def _note_of_skipped(members: Sequence[str]) -> list[str]:
    """Count the files of other endings, the most frequent ending first; none: no note."""
    suffixes = (PurePosixPath(name).suffix.lower() for name in members if not name.endswith("/"))
    counts = Counter(suffix for suffix in suffixes if suffix not in _MEMBERS)
    if not counts:
        return []
    number = counts.total()
    named = [f"{count} {suffix or 'without a suffix'}" for suffix, count in counts.most_common()]
    return [
        f"{number} file{' is' if number == 1 else 's are'} skipped, not named like signals "
        f"({', '.join(_MEMBERS)}): {', '.join(named)}"
    ]


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"
