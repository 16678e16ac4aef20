"""A body as an Arrow IPC stream: a table with a row for each example.

Column `part` says "support" or "query" (without it, all rows are queries), `input` holds the
inputs, `target` the classes or values of the support set. In place of `input` there may be a column
for each feature.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from orchestrator.serve.examples import EncodedFiles, Examples
from orchestrator.serve.http.bodies.arrow_message import refuse_unbounded
from orchestrator.serve.http.bodies.arrow_types import ALLOWED, check_sizes, check_type
from orchestrator.serve.request_error import RequestError

TYPE = "application/vnd.apache.arrow.stream"
_PART, _INPUT, _TARGET = "part", "input", "target"
_PARTS = "'support' and 'query' are allowed"


def read_arrow(content: bytes, most_rows: int) -> Examples:
    """Read a body.

    Args:
      most_rows: of the table.
    Raises:
      RequestError: it is no such stream, or has other columns.
    """
    table = _table(content, most_rows)
    support, query = _of_part(table, "support"), _of_part(table, "query")
    has_target = _TARGET in table.column_names
    return Examples(
        support=_inputs(support) if len(support) else None,
        targets=_targets(support.column(_TARGET)) if len(support) and has_target else None,
        queries=_inputs(query) if len(query) else None,
    )


def _table(content: bytes, most_rows: int) -> Any:
    try:
        refuse_unbounded(content)
        with pa.ipc.open_stream(content) as stream:
            schema = _used(stream.schema)
            batches = list(stream)
            table = pa.Table.from_batches(batches, stream.schema)
        if len(table) > most_rows:
            raise RequestError(
                422, f"the table has {len(table)} rows; at most {most_rows} are allowed"
            )
        check_sizes(schema, len(table), len(content))
        table = table.select(schema.names)
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError, TypeError) as error:
        raise RequestError(
            400, f"the body is not an Arrow IPC stream ({error}); write one by pyarrow.ipc"
        ) from None
    return table


def _used(schema: Any) -> Any:
    """Return the columns that are read, after a check of their types."""
    if len(set(schema.names)) < len(schema.names):
        raise RequestError(422, "the table has two columns of one name; give each its own")
    others = [_INPUT] if _INPUT in schema.names else schema.names
    used = pa.schema([field for field in schema if field.name in (_PART, _TARGET, *others)])
    for field in used:
        check_type(field.type, field.name)
    return used


def _of_part(table: Any, part: str) -> Any:
    if _PART not in table.column_names:
        return table if part == "query" else table.slice(0, 0)
    column = table.column(_PART)
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise RequestError(422, f"the column {_PART!r} is {column.type}; texts are needed")
    others = set(column.to_pylist()) - {"support", "query"}
    if others:
        raise RequestError(422, f"the column {_PART!r} holds {others.pop()!r}; {_PARTS}")
    return table.filter(pc.equal(column, part))


def _inputs(table: Any) -> Any:
    if _INPUT in table.column_names:
        return _values(table.column(_INPUT), _INPUT)
    names = [name for name in table.column_names if name not in (_PART, _TARGET)]
    if not names:
        raise RequestError(
            422, f"the table has no column {_INPUT!r}; add it, or a column a feature"
        )
    return {name: _values(table.column(name), name) for name in names}


def _targets(column: Any) -> Any:
    values = _values(column, _TARGET)
    if isinstance(values, EncodedFiles):
        raise RequestError(
            422, f"the column {_TARGET!r} is {column.type}; classes or values are needed"
        )
    return values


def _values(column: Any, name: str) -> Any:
    """Convert a column: numbers to an array [n, ...], texts to a list, bytes to files."""
    values = column.combine_chunks()
    if values.null_count:
        raise RequestError(422, f"the column {name!r} holds nulls; give a value in each row")
    shape = [len(values)]
    if isinstance(values, pa.ExtensionArray):
        if not isinstance(values.type, pa.FixedShapeTensorType):
            raise RequestError(422, f"the column {name!r} is {values.type}; {ALLOWED}")
        return _numbers(values, name, values.to_numpy_ndarray)
    while pa.types.is_list(values.type) or pa.types.is_fixed_size_list(values.type):
        lengths = pc.unique(pc.list_value_length(values)).to_pylist()
        if len(lengths) != 1:
            raise RequestError(
                422, f"the column {name!r} has lists of unequal lengths; give equal ones"
            )
        shape.append(lengths[0])
        values = values.flatten()
        if values.null_count:
            raise RequestError(422, f"the column {name!r} holds nulls; give a value in each place")
    kind = values.type
    if len(shape) == 1 and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        return values.to_pylist()
    if len(shape) == 1 and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        contents = values.to_pylist()
        return EncodedFiles([f"{name}[{i}]" for i in range(len(contents))], contents)
    return _numbers(values, name, lambda: values.to_numpy(zero_copy_only=False)).reshape(shape)


def _numbers(values: Any, name: str, convert: Any) -> Any:
    kind = values.type.value_type if isinstance(values, pa.ExtensionArray) else values.type
    if not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise RequestError(422, f"the column {name!r} is {values.type}; {ALLOWED}")
    return np.asarray(convert())
