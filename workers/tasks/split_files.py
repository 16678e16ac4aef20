"""Files that name the classes of training, validation and test, in the forms that are published.

Forms: one JSON file of all three; or a folder with a file for each, `train.txt`, `val.txt` and
`test.txt` (a name a line), `.csv` (mini-ImageNet's `filename,label`; tiered-ImageNet's names in the
first column) or `.json` (a list; or lists of images and their labels, as in Chen et al. 2019,
arXiv:1904.04232, where the files are `base`, `val` and `novel`).
"""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from workers.wire.errors import DataError
from workers.wire.protocol import Split

#: Names under which the splits are published, in lower case.
SPLIT_OF: Mapping[str, Split] = {
    **dict.fromkeys(("train", "training", "meta_train", "base"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "meta_val"), "validation"),
    **dict.fromkeys(("test", "testing", "meta_test", "novel"), "test"),
}
_SUFFIXES = (".txt", ".csv", ".json")
_LABELS = ("label", "class", "class_name", "category")
_EXPECTED = "expected {'train': [name, ...], 'validation': [...], 'test': [...]}"


def read_split_file(path: Path) -> dict[Split, list[str]]:
    """Read the names of each split.

    Args:
      path: a JSON file, or a folder with a file for each split.
    Raises:
      DataError: it cannot be read, or is of no form that is known.
    """
    if path.is_dir():
        return {split: _names_of(file) for split, file in _files_in(path).items()}
    listed = _json(path)
    if not isinstance(listed, dict) or len(listed) != 3 or len(_splits_of(listed)) != 3:
        keys = ", ".join(map(repr, listed)) if isinstance(listed, dict) else type(listed).__name__
        raise DataError(f"{_said(path)}: holds {keys or 'nothing'}; {_EXPECTED}")
    for key, names in listed.items():
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise DataError(f"{_said(path)}: {key!r} is not a list of names; {_EXPECTED}")
    return {split: listed[key] for split, key in _splits_of(listed).items()}


def split_tables(folder: Path, suffix: str) -> dict[Split, Path]:
    """Find the file of each split in a folder, such as train.csv; empty unless all are there."""
    files = {file.stem: file for file in sorted(folder.glob(f"*{suffix}")) if file.is_file()}
    found = {split: files[stem] for split, stem in _splits_of(files).items()}
    return found if len(found) == 3 else {}


def _splits_of(names: Iterable[str]) -> dict[Split, str]:
    """Map each split to its name among these; the first one counts."""
    found: dict[Split, str] = {}
    for name in names:
        if split := SPLIT_OF.get(name.lower()):
            found.setdefault(split, name)
    return found


def _files_in(folder: Path) -> dict[Split, Path]:
    for suffix in _SUFFIXES:
        if found := split_tables(folder, suffix):
            return found
    raise DataError(
        f"{_said(folder)}: is a folder without a file of names for each split; expected train, val "
        f"and test (or base, val and novel) with one of the endings {', '.join(_SUFFIXES)}"
    )


def _names_of(file: Path) -> list[str]:
    readers = {".txt": _lines, ".csv": _table, ".json": _list}
    names = list(dict.fromkeys(readers[file.suffix](file)))
    if not names:
        raise DataError(f"{_said(file)}: names no class")
    return names


def _lines(file: Path) -> list[str]:
    return [line.strip() for line in _text(file).splitlines() if line.strip()]


def _table(file: Path) -> list[str]:
    """Read the column of labels, or the first one if the first row has no such name."""
    rows = [row for row in csv.reader(_text(file).splitlines()) if row]
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = next((header.index(name) for name in _LABELS if name in header), None)
    if column is None:
        return [row[0].strip() for row in rows]
    short = next((number for number, row in enumerate(rows, 1) if len(row) <= column), None)
    if short is not None:
        raise DataError(f"{_said(file)}: row {short} has no {header[column]!r}")
    return [row[column].strip() for row in rows[1:]]


def _list(file: Path) -> list[str]:
    """Read a list of names, or of pairs of a coarser name and the name, or images' labels."""
    listed = _json(file)
    if isinstance(listed, dict) and {"label_names", "image_labels"} <= set(listed):
        names = listed["label_names"]
        try:
            return [names[label] for label in sorted(set(listed["image_labels"]))]
        except (TypeError, IndexError, KeyError):
            raise DataError(
                f"{_said(file)}: 'image_labels' are not numbers of 'label_names', from 0"
            ) from None
    if isinstance(listed, list):
        names = [each[-1] if isinstance(each, list) and each else each for each in listed]
        if all(isinstance(name, str) for name in names):
            return names
    raise DataError(f"{_said(file)}: is not a list of names")


def _json(file: Path) -> Any:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{_said(file)}: cannot be read as JSON ({error})") from error


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        raise DataError(f"{_said(file)}: cannot be read ({error})") from error


def _said(path: Path) -> str:
    return f"task.split_file {path}"
