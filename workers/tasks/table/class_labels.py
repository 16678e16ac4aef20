"""Class labels stored as whole numbers, with their names in the file's schema.

Hugging Face's datasets write them this way, into Parquet and Arrow files.
"""

import json
from pathlib import Path
from typing import Any

from workers.wire.errors import DataError


def with_class_names(table: Any, path: Path) -> Any:
    """Replace numbers by class names in all columns of a pyarrow table that have names.

    Raises:
      DataError: a number has no name; names the row.
    """
    for column, names in _names(table.schema).items():
        if column in table.column_names:
            place = table.column_names.index(column)
            table = table.set_column(place, column, _named(table.column(place), names, path))
    return table


def _names(schema: Any) -> dict[str, list[str]]:
    """Return column -> the names of its classes; {} if the schema has none in this form."""
    try:
        stored = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = stored["info"]["features"]
        return {
            column: [str(name) for name in feature["names"]]
            for column, feature in features.items()
            if isinstance(feature, dict)
            and feature.get("_type") == "ClassLabel"
            and isinstance(feature.get("names"), list)
        }
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}


def _named(column: Any, names: list[str], path: Path) -> Any:
    import pyarrow as pa

    if not pa.types.is_integer(column.type):
        return column
    labels = []
    for row, value in enumerate(column.to_pylist()):
        if value is not None and not 0 <= value < len(names):
            raise DataError(
                f"{path.name}: row {row} has the class {value}, and its schema names {len(names)} "
                "classes (from 0); leave out rows without a class"
            )
        labels.append(None if value is None else names[value])
    return pa.chunked_array([pa.array(labels, pa.string())])
