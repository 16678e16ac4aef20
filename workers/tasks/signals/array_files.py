"""Signals in numpy's files: .npy, and .npz with an array of signals and one of labels."""

import io
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from workers.tasks.listing import listed
from workers.tasks.signals.columns import Wanted
from workers.tasks.signals.recordings import Signal
from workers.wire.errors import DataError, SourceError
from workers.wire.protocol import Array

_NPY, _ZIP = b"\x93NUMPY", b"PK"
_OBJECTS = (
    "holds Python objects, which are not read; save an array of numbers (signals of several "
    "lengths: a file each, in class folders)"
)


def load_array(content: bytes, where: str) -> Array:
    """Return the array of a .npy file.

    Raises:
      DataError: it is none, or one of objects.
    """
    try:
        found = np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError, SyntaxError, MemoryError) as error:
        if content.startswith(_NPY) and "Object arrays" in str(error):
            raise DataError(f"{where}: {_OBJECTS}") from None
        if not content.startswith((_NPY, _ZIP)):
            raise DataError(f"{where}: is no .npy file, as numpy.save writes them") from None
        line = str(error).partition("\n")[0]
        raise DataError(f"{where}: no .npy file that can be read ({line})") from None
    if not isinstance(found, np.ndarray):
        raise DataError(f"{where}: is a zip of arrays; name it .npz")
    return found


def of_npy(path: Path, content: bytes, wanted: Wanted) -> Iterator[Signal]:
    """Return the signals of an array [n, length] or [n, length, channels]; [length] is one."""
    values = load_array(content, path.name)
    values = values[None] if values.ndim == 1 else values
    labels = None
    if wanted.label_file is not None and wanted.labelled != "unused":
        file = Path(wanted.label_file)
        labels = load_array(file.read_bytes(), file.name)
    elif wanted.labelled == "needed":
        raise SourceError(
            f"{path}: a .npy file has no labels; name a file of them (task.label_file), or save an "
            ".npz with the arrays x and y"
        )
    return _rows(path.name, values, [] if labels is None else [labels], None, wanted)


def of_npz(path: Path, wanted: Wanted) -> Iterator[Signal]:
    """Return the signals of the array `x`, or of the arrays that are named, each a channel."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.removesuffix(".npy"): name for name in archive.namelist()}
            wanted = wanted.within(members)
            read = {key: archive.read(members[key]) for key in _used(path, members, wanted)}
    except (zipfile.BadZipFile, OSError, RuntimeError, NotImplementedError) as error:
        line = str(error).partition("\n")[0]
        raise DataError(f"{path}: not an .npz file that can be read ({line})") from None
    arrays = {key: load_array(each, f"{path.name}: {key}") for key, each in read.items()}
    channels = [arrays[name] for name in wanted.signals or ("x",)]
    if len({each.shape for each in channels}) > 1:
        shapes = ", ".join(str(list(each.shape)) for each in channels)
        raise DataError(f"{path}: the arrays of task.signal_column have the shapes {shapes}")
    values = channels[0] if len(channels) == 1 else np.stack(channels, axis=-1)
    labels = [arrays[name] for name in wanted.labels or ("y",) if name in arrays]
    labels = [] if wanted.labelled == "unused" else labels
    recordings = arrays[wanted.recording] if wanted.recording else None
    return _rows(path.name, values, labels, recordings, wanted)


def _used(path: Path, there: Mapping[str, str], wanted: Wanted) -> list[str]:
    """Return the arrays to read. Raises SourceError if one is missing."""
    needed = [("signal_column", name) for name in wanted.signals or ("x",)]
    labels = wanted.labels or ("y",)
    if wanted.labelled == "needed" or (
        wanted.labelled == "maybe" and any(name in there for name in labels)
    ):
        needed += [("label_column", name) for name in labels]
    if wanted.recording:
        needed.append(("recording_column", wanted.recording))
    for key, name in needed:
        if name not in there:
            raise SourceError(
                f"{path} has no array {name!r} ({wanted.option(key)}); it has "
                f"{listed(list(there), name)}"
            )
    return [name for _, name in needed]


def _rows(
    source: str, values: Array, labels: Sequence[Array], recordings: Array | None, wanted: Wanted
) -> Iterator[Signal]:
    if values.ndim not in (2, 3):
        raise DataError(
            f"{source}: signals are an array of shape {list(values.shape)}; [n, length] or "
            "[n, length, channels] are allowed"
        )
    for name, array in (*(("labels", each) for each in labels), ("recordings", recordings)):
        if array is not None and len(array) != len(values):
            raise DataError(f"{source}: {len(values)} signals, but {len(array)} {name}")
    for row, own in enumerate(values):
        where = f"{source}: row {row}"
        told = [each[row] for each in labels]
        yield Signal(
            name=where,
            values=own,
            label=_label(where, told) if told and not wanted.measures else None,
            recording=f"row {row}" if recordings is None else _label(where, [recordings[row]]),
            target=told[0] if told and wanted.measures else None,
        )


def _label(where: str, told: Sequence[Any]) -> str:
    for each in told:
        if np.ndim(each) or each is None or each != each or str(each) == "":
            raise DataError(f"{where} has no label ({each}); a text or a number is needed")
    return "/".join(text_of(each) for each in told)


def text_of(label: Any) -> str:
    """Return a label for people: 1.0 is 1, bytes are text."""
    if isinstance(label, bytes):
        return label.decode(errors="replace")
    if isinstance(label, float | np.floating) and float(label).is_integer():
        return str(int(label))
    return str(label)
