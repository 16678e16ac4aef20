"""Small tables for tests: written as the files that the product reads."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import csv, feather

#: Five sensors with eight rows each; `reading` is 1, 2, ..., and `ppm` ten times that, but for
#: sensor e, whose rows lie far from all others.
SENSORS: dict[str, list[Any]] = {
    "sensor": [name for name in "abcde" for _ in range(8)],
    "reading": [float(i) for i in range(32)] + [1000.0 + i for i in range(8)],
    "humidity": [float(i * i % 7) for i in range(40)],
    "ppm": [10.0 * i for i in range(32)] + [9000.0 + i for i in range(8)],
}
#: The same with classes: low and high in turn.
LEVELS: dict[str, list[Any]] = {
    **{name: SENSORS[name] for name in ("sensor", "reading", "humidity")},
    "level": ["low", "high"] * 20,
}


def write_table(path: Path, columns: dict[str, Any] | pa.Table) -> Path:
    """By the ending of its name."""
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    if path.suffix in (".csv", ".tsv"):
        sign = "," if path.suffix == ".csv" else "\t"
        csv.write_csv(table, path, csv.WriteOptions(delimiter=sign))
    elif path.suffix == ".parquet":
        pq.write_table(table, path)
    elif path.suffix == ".feather":
        feather.write_feather(table, path)
    else:
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
            stream.write_table(table)
    return path


def changed(columns: dict[str, list[Any]], name: str, row: int, value: Any) -> dict[str, list[Any]]:
    """The same with another value in one cell."""
    column = list(columns[name])
    column[row] = value
    return {**columns, name: column}
