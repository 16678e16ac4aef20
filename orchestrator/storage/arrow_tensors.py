"""Arrays <-> an Arrow IPC file that any Arrow reader opens: one row, one tensor column each."""

import io
import math
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from workers.wire.protocol import Array


def encode(arrays: Sequence[Array], column_names: Sequence[str]) -> bytes:
    """Encode arrays as one row with a fixed-shape tensor column per array.

    A scalar becomes a tensor of shape [1] with a mark in the column's metadata.
    """
    columns, fields = [], []
    for array, name in zip(arrays, column_names, strict=True):
        row = np.ascontiguousarray(array).reshape((1, *array.shape) if array.shape else (1, 1))
        column = pa.FixedShapeTensorArray.from_numpy_ndarray(row)
        scalar = {b"scalar": b"1"} if not array.shape else None
        columns.append(column)
        fields.append(pa.field(name, column.type, metadata=scalar))
    schema = pa.schema(fields)
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, schema) as writer:
        if columns:
            writer.write_batch(pa.record_batch(columns, schema=schema))
    return sink.getvalue()


def decode(content: bytes) -> tuple[list[Array], list[str]]:
    """Decode what `encode` wrote: the arrays and their names.

    Raises:
      ValueError, pa.ArrowException: `encode` did not write this.
    """
    with pa.ipc.open_file(pa.BufferReader(content)) as reader:
        _check(reader.schema, len(content))
        if not reader.num_record_batches:
            return [], []
        batch = reader.get_batch(0)
    if batch.num_rows != 1 or any(column.null_count for column in batch.columns):
        raise ValueError(f"{batch.num_rows} rows, or missing values, where one row is expected")
    batch.validate(full=True)
    arrays = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        array = column.to_numpy_ndarray()[0].copy()
        arrays.append(array.reshape(()) if field.metadata else array)
    return arrays, list(batch.schema.names)


def _check(schema: pa.Schema, num_bytes: int) -> None:
    """Refuse a file that would unpack to more bytes than it has: `encode` does not compress."""
    size = 0
    for field in schema:
        if not isinstance(field.type, pa.FixedShapeTensorType):
            raise ValueError(f"the column {field.name!r} is of type {field.type}, not a tensor")
        size += math.prod(field.type.shape) * field.type.value_type.bit_width // 8
    if size > num_bytes:
        raise ValueError(f"tensors of {size} bytes in a file of {num_bytes}")
