"""The dialect of a CSV file: its separator, and the lines of notes before the column names.

Commas are assumed unless the file clearly uses another separator.
"""

import codecs
import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from workers.wire.errors import DataError

#: Arrow takes minutes for 100 000 columns.
MOST_COLUMNS = 10_000
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_UTF32 = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)
_SEPARATORS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_BEGINNING_BYTES = 1 << 20
_MOST_ROWS = 50
# This share of the rows must have one cell for each column name.
_ALIKE = 0.9
# A first line that tells Excel the separator.
_EXCEL = re.compile(r"sep=(.)$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file is written.

    separator: between cells.
    skip: the number of lines before the names.
    names: of the columns.
    """

    separator: str
    skip: int
    names: list[str]

    @property
    def separator_name(self) -> str:
        """The separator in words."""
        return _SEPARATORS.get(self.separator, repr(self.separator))


def dialect_of(path: Path) -> Dialect:
    """Detect the dialect from the beginning of a file.

    Raises:
      DataError: the file is UTF-16 or UTF-32, or has too many columns.
      OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(_BEGINNING_BYTES)
        whole = len(content) < _BEGINNING_BYTES
    if content.startswith(_UTF32):
        raise DataError(f"{path} is UTF-32; save it as UTF-8")
    if content.startswith(_UTF16):
        raise DataError(f"{path} is UTF-16; save it as UTF-8")
    lines = content.removeprefix(codecs.BOM_UTF8).decode(errors="replace").splitlines()
    lines = lines if whole or len(lines) < 2 else lines[:-1]
    skip, separator = _before_names(lines)
    separator = separator or _separator(lines[skip:], path.suffix.lower())
    names = next(_cells(lines[skip:], separator), [])
    if len(names) > MOST_COLUMNS:
        raise DataError(
            f"{path} has {len(names)} columns; {MOST_COLUMNS} are allowed: keep those that are "
            "needed"
        )
    return Dialect(separator, skip, names)


def _before_names(lines: Sequence[str]) -> tuple[int, str | None]:
    """Count the lines of notes; return the separator too if one of them names it."""
    if lines and (named := _EXCEL.match(lines[0])):
        return 1, named.group(1)
    skip = 0
    while skip < len(lines) and (not lines[skip].strip() or lines[skip].startswith("#")):
        skip += 1
    # "#id,x" above rows of as many cells names the columns.
    last = max((i for i in range(skip) if lines[i].startswith("#")), default=None)
    if last is not None and (skip == len(lines) or _is_heading(lines[last], lines[skip:])):
        return last, None
    return skip, None


def _is_heading(line: str, rows: Sequence[str]) -> bool:
    """Return whether a line with a # names the columns of `rows`; else it is a note."""
    separator = next((sign for sign in _SEPARATORS if _width([line, *rows], sign)), None)
    if separator is None:
        return False
    first, second = ([*_cells(rows, separator), [], []])[:2]
    rows_begin_with_names = bool(first) and not any(map(_is_number, first))
    return not (rows_begin_with_names and (line[1:2] == " " or any(map(_is_number, second))))


def _separator(lines: Sequence[str], suffix: str) -> str:
    """Find the separator that gives the most cells, with as many in each row as names."""
    order = ("\t", ",", ";", "|") if suffix in (".tsv", ".tab") else tuple(_SEPARATORS)
    best = max(order, key=lambda sign: _width(lines, sign))
    if _width(lines, best):
        return best
    return next((sign for sign in order if lines and sign in lines[0]), order[0])


def _width(lines: Sequence[str], separator: str) -> int:
    """Count the cells of the first row; 0 unless there are several and most rows have as many."""
    widths = [len(cells) for cells in islice(_cells(lines, separator), _MOST_ROWS)]
    alike = bool(widths) and sum(width == widths[0] for width in widths) >= _ALIKE * len(widths)
    return widths[0] if alike and widths[0] > 1 else 0


def _is_number(cell: str) -> bool:
    return bool(cell) and not any(map(str.isalpha, cell)) and any(map(str.isdigit, cell))


def _cells(lines: Sequence[str], separator: str) -> Iterator[list[str]]:
    """Yield the cells of each row; notes and empty lines are skipped."""
    limit = csv.field_size_limit(_BEGINNING_BYTES)
    try:
        kept = (line for i, line in enumerate(lines) if line and (i == 0 or line[0] != "#"))
        yield from csv.reader(kept, delimiter=separator)
    except csv.Error:
        return
    finally:
        csv.field_size_limit(limit)
