"""CSV files, read as they are meant: other separators, notes between rows, line ends in quotes."""

import codecs
import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workers.tasks.table.csv_dialects import Dialect, dialect_of
from workers.tasks.table.csv_numbers import with_numbers


def read_csv(path: Path, text_columns: Iterable[str] = ()) -> Any:
    """A pyarrow table. `text_columns` are read as bytes, so that what is no UTF-8 has its row.

    Columns of other numbers than Arrow's are numbers too, where it is beyond doubt what they say.

    Raises:
      DataError: it is UTF-16, or has too many columns.
      ArrowInvalid, OSError: it cannot be read; `reason` says why.
    """
    import pyarrow as pa

    dialect, texts = dialect_of(path), list(text_columns)
    table = _read(path, dialect, {name: pa.binary() for name in texts})

    def again(names: Sequence[str]) -> Any:
        return _read(path, dialect, {name: pa.binary() for name in [*texts, *names]})

    return with_numbers(table, dialect.separator, texts, again)


def read_texts(path: Path, names: Sequence[str]) -> Any:
    """Some columns alone, as texts. Raises as `read_csv` does."""
    import pyarrow as pa

    return _read(path, dialect_of(path), {name: pa.string() for name in names}, names)


def reason(error: Exception, path: Path) -> str:
    """Why a table cannot be read, in a line, with what to do where it is known."""
    said = str(error).splitlines()[0].replace(f"'{path}'", "it")
    found = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", said)
    if found is None:
        return said
    line, expected, got = found.groups()
    where = f"line {line}" if line else "a line"
    told = dialect_of(path).told
    remedy = f"quote a text that holds {told}"
    if expected == "1":
        remedy = f"is the first a title or a note? delete it, or begin it with #; else {remedy}"
    return f"{where} has {got} cells, the first {expected}; {remedy}"


def _read(path: Path, dialect: Dialect, types: Mapping[str, Any], only: Sequence[str] = ()) -> Any:
    import pyarrow as pa
    from pyarrow import csv

    options = csv.ConvertOptions(
        column_types=types, check_utf8=bool(only), include_columns=list(dict.fromkeys(only)) or None
    )

    def read(**how: Any) -> Any:
        return csv.read_csv(
            path,
            csv.ReadOptions(skip_rows=dialect.skip, use_threads=how.pop("use_threads", True)),
            csv.ParseOptions(delimiter=dialect.separator, **how),
            options,
        )

    try:
        return read()
    except pa.ArrowInvalid:
        notes = {"invalid_row_handler": _pass_over_notes} if _is_utf8(path) else {}
    for how in ({}, {"newlines_in_values": True}):
        with contextlib.suppress(pa.ArrowInvalid):
            return read(**notes, **how)
    return read(**notes, use_threads=False)  # in one thread it knows the line


def _pass_over_notes(row: Any) -> str:
    return "skip" if row.text.startswith("#") else "error"


def _is_utf8(path: Path) -> bool:
    """pyarrow decodes a row that it shows, and prints a traceback where it cannot."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            for part in iter(lambda: file.read(1 << 20), b""):
                decoder.decode(part)
    except UnicodeDecodeError:
        return False
    return True
