"""CSV files: reading with other separators, notes between rows, and line ends in quotes."""

import codecs
import contextlib
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from workers.tasks.table.csv_dialects import Dialect, dialect_of
from workers.tasks.table.csv_numbers import with_numbers


def read_csv(path: Path, text_columns: Iterable[str] = ()) -> Any:
    """Read a pyarrow table.

    Columns with decimal commas or thousands separators become numbers if their meaning is clear.

    Args:
      text_columns: read as bytes, so that an error in their UTF-8 can name the row.
    Raises:
      DataError: the file is UTF-16, or has too many columns.
      ArrowInvalid, OSError: it cannot be read; `reason` says why.
    """
    import pyarrow as pa

    dialect, texts = dialect_of(path), list(text_columns)
    table = _read(path, dialect, {name: pa.binary() for name in texts})

    def again(names: Sequence[str]) -> Any:
        return _read(path, dialect, {name: pa.binary() for name in [*texts, *names]})

    return with_numbers(table, dialect.separator, texts, again)


def read_texts(path: Path, names: Sequence[str]) -> Any:
    """Read some columns alone, as texts. Raises as `read_csv` does."""
    import pyarrow as pa

    return _read(path, dialect_of(path), {name: pa.string() for name in names}, names)


def reason(error: Exception, path: Path) -> str:
    """Say in one line why a table cannot be read, with a remedy if there is one."""
    message = str(error).splitlines()[0].replace(f"'{path}'", "it")
    match = re.search(r"(?:Row #(\d+): )?Expected (\d+) columns, got (\d+)", message)
    if match is None:
        return message
    line, expected, got = match.groups()
    where = f"line {line}" if line else "a line"
    remedy = f"quote a text that holds {dialect_of(path).separator_name}"
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
    return read(**notes, use_threads=False)  # a single thread reports the line


def _pass_over_notes(row: Any) -> str:
    return "skip" if row.text.startswith("#") else "error"


def _is_utf8(path: Path) -> bool:
    """Return whether the file is UTF-8: else pyarrow prints a traceback when it shows a row."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        with path.open("rb") as file:
            for part in iter(lambda: file.read(1 << 20), b""):
                decoder.decode(part)
    except UnicodeDecodeError:
        return False
    return True
