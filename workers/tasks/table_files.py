"""Files that hold a table: CSV, Parquet, and Arrow's own (Feather), read whole."""

import codecs
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from workers.errors import DataError

SUFFIXES = (".csv", ".parquet", ".arrow", ".feather")
FORMS = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_table(path: Path, text_columns: Iterable[str] = ()) -> Any:
    """A pyarrow table; a CSV file's `text_columns` stay as they are: a class 007 is not 7.

    Raises:
      DataError: it is no table, cannot be read, or has no row.
    """
    import pyarrow as pa

    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise DataError(f"{path} {what}; give a {FORMS} file")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(f"{path} is no table; give a {FORMS} file")
    try:
        if suffix == ".csv":
            table = _read_csv(path, text_columns)
        else:
            table = _read_parquet(path) if suffix == ".parquet" else _read_arrow(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0].replace(f"'{path}'", "it")
        raise DataError(f"{path}: not a table that can be read ({_plainly(reason)})") from None
    if not table.num_rows:
        raise DataError(f"{path}: has no rows")
    names = table.column_names
    if twice := {name for name in names if names.count(name) > 1}:
        raise DataError(f"{path}: has the column {min(twice)!r} more than once; rename one")
    return table


def _plainly(reason: str) -> str:
    """Arrow's reason, with what to do where it is known."""
    found = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", reason)
    if found is None:
        return reason
    line, expected, got = found.groups()
    where = f"line {line}" if line else "a line"
    return f"{where} has {got} cells, the first {expected}; quote a text that holds a comma"


def _read_csv(path: Path, text_columns: Iterable[str]) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    with path.open("rb") as file:
        if file.read(2) in _UTF16:
            raise DataError(f"{path} is UTF-16; save it as UTF-8")
    # As bytes, so that what is no UTF-8 can be named by its row.
    types = {name: pa.binary() for name in text_columns}
    options = csv.ConvertOptions(column_types=types, check_utf8=False)
    try:
        return csv.read_csv(path, convert_options=options)
    except pa.ArrowInvalid:  # in one thread it knows the line
        return csv.read_csv(path, csv.ReadOptions(use_threads=False), convert_options=options)


def _read_parquet(path: Path) -> Any:
    import pyarrow.parquet as pq

    return pq.read_table(path)


def _read_arrow(path: Path) -> Any:
    """Arrow's file format, or its stream format."""
    import pyarrow as pa

    with pa.OSFile(str(path)) as file:
        try:
            return pa.ipc.open_file(file).read_all()
        except pa.ArrowInvalid:
            file.seek(0)
            return pa.ipc.open_stream(file).read_all()
