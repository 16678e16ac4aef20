"""Arrays <-> an Arrow IPC file that any Arrow reader opens: one row, one tensor column each."""

import io
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from workers.protocol import Array


def encode(arrays: Sequence[Array], column_names: Sequence[str]) -> bytes:
    """One row, one fixed-shape tensor column per array (a scalar is a tensor of shape [1])."""
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
    """Inverse of `encode`: the arrays and their names."""
    with pa.ipc.open_file(pa.BufferReader(content)) as reader:
        if not reader.num_record_batches:
            return [], []
        batch = reader.get_batch(0)
    arrays = []
    for field, column in zip(batch.schema, batch.columns, strict=True):
        array = column.to_numpy_ndarray()[0].copy()
        arrays.append(array.reshape(()) if field.metadata else array)
    return arrays, list(batch.schema.names)
