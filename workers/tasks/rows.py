"""Rows of a table: CSV and Parquet files, read whole."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.errors import DataError
from workers.protocol import Array

SUFFIXES = (".csv", ".parquet")


class Rows:
    """A table that was read whole; columns are taken by name."""

    def __init__(self, path: Path, text_columns: Iterable[str] = ()):
        """Read `path`; a CSV file's `text_columns` stay as they are: a class 007 is not 7.

        Raises:
          DataError: it is no table, or has no row.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq
        from pyarrow import csv

        self._path = path
        try:
            if path.suffix.lower() == ".csv":
                # As bytes, so that what is no UTF-8 can be named: see `texts`.
                types = {name: pa.binary() for name in text_columns}
                options = csv.ConvertOptions(column_types=types, check_utf8=False)
                self._table = csv.read_csv(path, convert_options=options)
            else:
                self._table = pq.read_table(path)
        except (pa.ArrowException, OSError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"{path}: not a table that can be read ({reason})") from None
        if not self._table.num_rows:
            raise DataError(f"{path}: has no rows")
        names = self._table.column_names
        if twice := {name for name in names if names.count(name) > 1}:
            raise DataError(f"{path}: has the column {min(twice)!r} more than once; rename one")

    def __len__(self) -> int:
        return int(self._table.num_rows)

    @property
    def column_names(self) -> list[str]:
        """In the file's order."""
        return list(self._table.column_names)

    def check(self, name: str, setting: str) -> None:
        """Raise DataError if there is no such column; `setting` is where another one is named."""
        if name not in self.column_names:
            there = ", ".join(map(repr, self.column_names))
            raise DataError(f"{self._path} has no column {name!r} ({setting}); it has {there}")

    def texts(self, name: str) -> list[str]:
        """A column as texts.

        Raises:
          DataError: a value is missing, or is no UTF-8; names the row.
        """
        found = []
        for row, value in enumerate(self._raw(name)):
            if value is None or value in ("", b""):
                raise DataError(f"{self._path}: row {row} has no {name!r}")
            try:
                found.append(_text(value))
            except UnicodeDecodeError:
                raise DataError(
                    f"{self._path}: row {row} has a {name!r} that is no UTF-8"
                ) from None
        return found

    def _raw(self, name: str) -> list[Any]:
        """A column as Python values; texts as bytes, which nobody has looked at."""
        import pyarrow as pa

        column = self._table.column(name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = column.cast(pa.large_binary())
        return list(column.to_pylist())

    def values(self, name: str) -> list[Any]:
        """A column as Python values."""
        return list(self._table.column(name).to_pylist())

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds numbers or truth values, one a row."""
        import pyarrow as pa

        kind = self._table.schema.field(name).type
        kinds = (
            pa.types.is_integer,
            pa.types.is_floating,
            pa.types.is_decimal,
            pa.types.is_boolean,
        )
        return any(is_one(kind) for is_one in kinds)

    def column_of_numbers(self, name: str, may_miss: bool) -> Array:
        """A column of numbers: float64 [n]; what is missing is NaN, if it may.

        Raises:
          DataError: a value is missing that may not, no number, or infinite; names the row.
        """
        if may_miss:
            import pyarrow as pa
            import pyarrow.compute as pc

            if not self.is_numeric(name):
                raise self._no_numbers(name)
            column = pc.cast(self._table.column(name), pa.float64())
            found: Array = column.to_numpy(zero_copy_only=False)
            infinite = np.flatnonzero(np.isinf(found))
            if len(infinite):
                raise self._not_finite(int(infinite[0]), name, found[infinite[0]])
            return found
        return self._as_numbers(name, np.float64)[:, 0]

    def numbers(self, names: Iterable[str]) -> Array:
        """Columns of finite numbers, or of lists of equally many: float32 [n, numbers].

        Raises:
          DataError: a value is missing, no number, NaN or infinite; names the row.
        """
        parts = [self._as_numbers(name, np.float32) for name in names]
        return np.concatenate(parts, axis=1)

    def _as_numbers(self, name: str, dtype: type) -> Array:
        values = self.values(name)
        missing = [row for row, value in enumerate(values) if value is None]
        if missing:
            raise DataError(f"{self._path}: row {missing[0]} has no {name!r} (empty, or NaN)")
        try:
            with np.errstate(over="ignore"):  # what is too large is told below
                found: NDArray[Any] = np.asarray(values, np.float64).astype(dtype)
        except (TypeError, ValueError):
            raise self._no_numbers(name) from None
        found = found.reshape(len(values), -1)
        bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
        if len(bad):
            raise self._not_finite(int(bad[0]), name, values[bad[0]])
        return found

    def _no_numbers(self, name: str) -> DataError:
        kind = self._table.schema.field(name).type
        return DataError(f"{self._path}: column {name!r} holds {kind}, not numbers")

    def _not_finite(self, row: int, name: str, value: object) -> DataError:
        return DataError(
            f"{self._path}: row {row} has {name!r} = {value}; finite numbers are needed"
        )


def _text(value: Any) -> str:
    """A column of whole numbers with a gap is one of floats: a class 1.0 is 1."""
    if isinstance(value, bytes):
        return value.decode()
    return str(int(value) if isinstance(value, float) and value.is_integer() else value)
