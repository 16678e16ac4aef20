"""What the schema of an Arrow stream says of its columns, before any of them is filtered.

Filtering makes an index for each value of a list. Types that need no bytes (null, structs without
fields, lists of length 0) or share them (views, runs) can stand for more values than any memory
holds; so can the declared sizes of lists.
"""

import math
from typing import Any

import pyarrow as pa

from orchestrator.serve.request_error import RequestError

ALLOWED = "numbers, lists of numbers, texts or binary (files) are allowed"
_MOST_AXES = 32


def check_type(kind: pa.DataType, name: str) -> None:
    """Check the type of a column. Nulls are allowed as a column, not within lists.

    Raises:
      RequestError: it is none of those that are `ALLOWED`.
    """
    values, axes = _storage(kind), 0
    while _is_list(values) and axes < _MOST_AXES:
        if pa.types.is_fixed_size_list(values) and values.list_size < 1:
            raise RequestError(422, f"the column {name!r} has lists of length 0; {ALLOWED}")
        values, axes = values.value_type, axes + 1
    is_plain = pa.types.is_integer(values) or pa.types.is_floating(values)
    if not axes:
        texts = pa.types.is_string(values) or pa.types.is_large_string(values)
        files = pa.types.is_binary(values) or pa.types.is_large_binary(values)
        is_plain = is_plain or texts or files or pa.types.is_null(values)
    if not is_plain:
        raise RequestError(422, f"the column {name!r} is {kind}; {ALLOWED}")


def check_sizes(schema: pa.Schema, num_rows: int, num_bytes: int) -> None:
    """Check that a stream can hold the lists that its schema declares. Every number has a byte.

    Args:
      num_rows: of all batches. num_bytes: of the stream.
    Raises:
      RequestError: it is too short.
    """
    for field in schema:
        numbers = num_rows * math.prod(_list_sizes(field.type))
        if numbers > num_bytes:
            raise RequestError(
                422,
                f"the column {field.name!r} declares {numbers} numbers, but the body has "
                f"{num_bytes} bytes; write all of them",
            )


def _list_sizes(kind: pa.DataType) -> list[int]:
    """Return the declared sizes of lists within lists."""
    sizes, values = list[int](), _storage(kind)
    while _is_list(values):
        if pa.types.is_fixed_size_list(values):
            sizes.append(values.list_size)
        values = values.value_type
    return sizes


def _storage(kind: pa.DataType) -> Any:
    return kind.storage_type if isinstance(kind, pa.FixedShapeTensorType) else kind


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind))
