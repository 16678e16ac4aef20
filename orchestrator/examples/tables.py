"""Tables of examples: CSV and Parquet files."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from workers.errors import DataError
from workers.protocol import Array

SUFFIXES = (".csv", ".parquet")


class ExampleTable:
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
                types = {name: pa.string() for name in text_columns}
                options = csv.ConvertOptions(column_types=types)
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

    def check(self, name: str, option: str) -> None:
        """Raise DataError if there is no such column; `option` is how another one is named."""
        if name not in self.column_names:
            there = ", ".join(map(repr, self.column_names))
            raise DataError(f"{self._path} has no column {name!r} ({option}); it has {there}")

    def texts(self, name: str) -> list[str]:
        """A column as texts. Raises DataError where a value is missing."""
        values = self.values(name)
        for row, value in enumerate(values):
            if value is None or value == "":
                raise DataError(f"{self._path}: row {row} has no {name!r}")
        # A column of whole numbers with a gap is one of floats: a class 1.0 is 1.
        whole = (int(v) if isinstance(v, float) and v.is_integer() else v for v in values)
        return [str(value) for value in whole]

    def values(self, name: str) -> list[Any]:
        """A column as Python values."""
        return list(self._table.column(name).to_pylist())

    def numbers(self, names: Iterable[str]) -> Array:
        """Columns of finite numbers, or of lists of equally many: float32 [n, numbers].

        Raises:
          DataError: a value is missing, no number, NaN or infinite; names the row.
        """
        parts = [self._as_numbers(name) for name in names]
        return np.concatenate(parts, axis=1)

    def _as_numbers(self, name: str) -> Array:
        values = self.values(name)
        missing = [row for row, value in enumerate(values) if value is None]
        if missing:
            raise DataError(f"{self._path}: row {missing[0]} has no {name!r} (empty, or NaN)")
        try:
            with np.errstate(over="ignore"):  # what is too large is told below
                found = np.asarray(values, np.float64).astype(np.float32).reshape(len(values), -1)
        except (TypeError, ValueError):
            kind = self._table.schema.field(name).type
            raise DataError(f"{self._path}: column {name!r} holds {kind}, not numbers") from None
        bad = np.flatnonzero(~np.isfinite(found).all(axis=1))
        if len(bad):
            raise DataError(
                f"{self._path}: row {bad[0]} has {name!r} = {values[bad[0]]}; finite numbers are "
                "needed"
            )
        return found
