"""Columns of a table as texts and numbers; errors name the row."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.tasks.listing import listed
from workers.tasks.table.table_files import read_table
from workers.wire.errors import DataError, SourceError
from workers.wire.protocol import Array

# A column of texts is meant to hold numbers if this share of its cells does.
_MEANT = 0.9
_NOTHING = (None, "", b"")
# Names of the index columns that pandas writes.
_INDEX = re.compile(r"|Unnamed: 0(\.\d+)?|__index_level_\d+__")
# A number with a unit or another sign: 5 kg, 12 %, $3.50, (1.5), −2 with a long minus.
_WITH_UNIT = re.compile(r"\s*[^\w.,]{0,3}\s*\d[\d.,]*(?:[eE][+-]?\d+)?\s*[^\d.,\s]{0,4}\s*")


def refused(path: object, row: int, why: str, remedy: str = "leave the row out") -> DataError:
    """Build the error for a row: what is wrong, and what to do."""
    return DataError(f"{path}: row {row} {why}; {remedy} (rows count from 0)")


def is_index(name: str) -> bool:
    """Return whether a column is named as pandas names an index: it holds row numbers, no data."""
    return _INDEX.fullmatch(name) is not None


class Rows:
    """A table in memory; columns are accessed by name, rows are counted from 0."""

    def __init__(self, path: Path, text_columns: Iterable[str] = ()):
        """Read `path`.

        Args:
          text_columns: columns of a CSV file to keep as text: a class 007 is not 7.
        Raises:
          DataError: it is not a table, or has no row.
        """
        self._path = path
        self._table = read_table(path, text_columns)
        self._names = set(self._table.column_names)

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in the file's order."""
        return list(self._table.column_names)

    def check(self, name: str, setting: str) -> None:
        """Raise DataError if there is no such column; `setting`: the option that names it."""
        if name not in self._names:
            raise SourceError(
                f"{self._path} has no column {name!r} ({setting}); it has "
                f"{listed(self.column_names, name)}"
            )

    def texts(self, name: str) -> list[str]:
        """Return a column as texts.

        Raises:
          DataError: a value is missing or not UTF-8; names the row.
        """
        self._check_one_a_row(name)
        texts = []
        for row, value in enumerate(self._raw(name)):
            if value in _NOTHING or value != value:
                raise refused(self._path, row, f"has no {name!r}")
            try:
                texts.append(_text(value))
            except UnicodeDecodeError:
                raise refused(
                    self._path, row, f"has a {name!r} that is not UTF-8", "save the file as UTF-8"
                ) from None
        return texts

    def values(self, name: str) -> list[Any]:
        """Return a column as Python values."""
        return list(self._table.column(name).to_pylist())

    def is_empty(self, name: str) -> bool:
        """Return whether no row has a value in the column."""
        return all(value in _NOTHING or value != value for value in self._raw(name))

    def is_boolean(self, name: str) -> bool:
        """Return whether a column holds booleans."""
        import pyarrow as pa

        return bool(pa.types.is_boolean(self._table.schema.field(name).type))

    def is_numeric(self, name: str) -> bool:
        """Return whether a column holds numbers or booleans, one a row."""
        import pyarrow as pa

        kind = self._table.schema.field(name).type
        kinds = (
            pa.types.is_integer,
            pa.types.is_floating,
            pa.types.is_decimal,
            pa.types.is_boolean,
        )
        return any(is_one(kind) for is_one in kinds)

    def check_meant(self, name: str, remedy: str) -> None:
        """Raise DataError if a column of texts holds numbers except in a few cells.

        The message names the first such cell. Otherwise one wrong cell would turn the column into
        classes, or leave it out.
        """
        if self.is_numeric(name):
            return
        cells = [(row, cell) for row, cell in enumerate(self._raw(name)) if cell not in _NOTHING]
        strays = [(row, cell) for row, cell in cells if not _is_number(cell)]
        if strays and len(strays) <= (1 - _MEANT) * len(cells):
            raise self._no_number(*strays[0], name, f"; {remedy}")

    def with_something_beside(self, name: str) -> str:
        """Return the first number with a unit, such as "5 kg", if nearly all cells are numbers.

        Otherwise, or if no number has a unit, return "".
        """
        cells = [_as_text(cell) for cell in self._raw(name) if cell not in _NOTHING]
        with_unit = [cell for cell in cells if not _is_number(cell) and _WITH_UNIT.fullmatch(cell)]
        num_plain = sum(map(_is_number, cells))
        is_meant = len(with_unit) + num_plain >= _MEANT * len(cells)
        return with_unit[0] if with_unit and is_meant else ""

    def column_of_numbers(self, name: str, may_miss: bool, remedy: str = "") -> NDArray[np.float64]:
        """Return a column of numbers, float64 [n].

        Args:
          may_miss: missing values are allowed, and become NaN.
          remedy: what to do about a missing value, for the error.
        Raises:
          DataError: a value is missing (unless it may), not a number, or infinite; names the row.
        """
        import pyarrow as pa
        import pyarrow.compute as pc

        if not self.is_numeric(name):
            raise self._no_numbers(name)
        column = pc.cast(self._table.column(name), pa.float64(), safe=False)
        numbers: NDArray[np.float64] = column.to_numpy(zero_copy_only=False)
        missing, infinite = np.flatnonzero(np.isnan(numbers)), np.flatnonzero(np.isinf(numbers))
        if len(missing) and not may_miss:
            raise self._missing(int(missing[0]), name, remedy)
        if len(infinite):
            raise self._not_finite(int(infinite[0]), name, numbers[infinite[0]])
        return numbers

    def numbers(self, names: Iterable[str]) -> Array:
        """Return columns of finite numbers, or of lists of equal length: float32 [n, numbers].

        Raises:
          DataError: a value is missing, not a number, NaN or infinite; names the row.
        """
        return np.concatenate([self._as_numbers(name) for name in names], axis=1)

    def _as_numbers(self, name: str) -> NDArray[np.float32]:
        values = self.values(name)
        missing = [row for row, value in enumerate(values) if value is None]
        if missing:
            raise self._missing(missing[0], name)
        try:
            with np.errstate(over="ignore"):  # too large values are reported below
                numbers: NDArray[Any] = np.asarray(values, np.float64).astype(np.float32)
        except (TypeError, ValueError):
            raise self._no_numbers(name) from None
        numbers = numbers.reshape(len(values), -1)
        bad = np.flatnonzero(~np.isfinite(numbers).all(axis=1))
        if len(bad):
            raise self._not_finite(int(bad[0]), name, values[bad[0]])
        return numbers

    def check_texts(self, name: str, setting: str) -> None:
        """Raise DataError unless there is such a column and it holds texts."""
        import pyarrow as pa

        self.check(name, setting)
        kind = self._table.schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        texts = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
        as_bytes = (pa.types.is_binary, pa.types.is_large_binary, pa.types.is_null)
        if not any(is_one(kind) for is_one in (*texts, *as_bytes)):
            raise DataError(
                f"{self._path}: column {name!r} holds {kind}, not texts; name another one "
                f"({setting})"
            )

    def _check_one_a_row(self, name: str) -> None:
        import pyarrow as pa

        kind = self._table.schema.field(name).type
        if pa.types.is_nested(kind):
            raise DataError(
                f"{self._path}: column {name!r} holds {kind}; one text or number a row is needed"
            )

    def _raw(self, name: str) -> list[Any]:
        """Return a column as Python values; texts as bytes, whose UTF-8 is not checked."""
        import pyarrow as pa

        column = self._table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.large_binary())
        return list(column.to_pylist())

    def _missing(self, row: int, name: str, remedy: str = "") -> DataError:
        return DataError(f"{self._path}: row {row} has no {name!r} (empty, or NaN){remedy}")

    def _no_numbers(self, name: str) -> DataError:
        """Build the error for a column without numbers; it names the first text, if any."""
        for row, value in enumerate(self._raw(name)):
            if isinstance(value, str | bytes) and not _is_number(value):
                return self._no_number(row, value, name)
        kind = str(self._table.schema.field(name).type)
        holds = "is empty" if kind == "null" else f"holds {kind}, not numbers"
        return DataError(f"{self._path}: column {name!r} {holds}")

    def _no_number(self, row: int, cell: Any, name: str, remedy: str = "") -> DataError:
        text = _as_text(cell)
        if re.fullmatch(r"\s*[-+]?[\d.]*\d,[\d,.]*\d\s*", text):
            point = text.strip().replace(",", ".")
            remedy = f": a decimal comma, or thousands? write {point} or without the comma{remedy}"
        return DataError(
            f"{self._path}: row {row} has {name!r} = {text[:40]!r}; numbers are needed{remedy}"
        )

    def _not_finite(self, row: int, name: str, value: object) -> DataError:
        return DataError(
            f"{self._path}: row {row} has {name!r} = {value}; finite numbers are needed"
        )


def _text(value: Any) -> str:
    """Convert a cell to text; a whole float to an integer, as gaps make whole numbers floats."""
    if isinstance(value, bytes):
        return value.decode()
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _as_text(cell: Any) -> str:
    return cell.decode(errors="replace") if isinstance(cell, bytes) else str(cell)


def _is_number(cell: Any) -> bool:
    try:
        float(cell)
    except (TypeError, ValueError):
        return False
    return True
