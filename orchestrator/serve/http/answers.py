"""Answers to queries, as JSON or Arrow: the rows that `metatrain adapt` writes."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from orchestrator.adaptation.predictions import Predictions, as_table
from orchestrator.serve.http.bodies import arrow_body, json_body
from orchestrator.serve.request_error import RequestError
from orchestrator.text.json_text import dumps

#: The types of answers, the usual one first.
TYPES = (json_body.TYPE, arrow_body.TYPE)


def table_of(predictions: Predictions, names: Sequence[str] | None, by_inner_step: bool) -> Any:
    """Make the table of an answer, a row for each query.

    Args:
      names: of the queries; None: their numbers.
      by_inner_step: whether the predictions before and after each inner step are there.
    """
    number = len(predictions.task.rows)
    table = as_table([predictions], names or [str(i) for i in range(number)])
    if not by_inner_step:
        table = table.drop_columns(["by_inner_step"])
    return table


def chosen_type(accept: str) -> str:
    """Choose the type of an answer by the header Accept.

    Raises:
      RequestError: none of `TYPES` is accepted.
    """
    weights = dict(map(_weighted, accept.lower().split(","))) if accept.strip() else {"*/*": 1.0}

    def weight(name: str) -> float:
        group = f"{name.partition('/')[0]}/*"
        return next((weights[key] for key in (name, group, "*/*") if key in weights), 0.0)

    best = max(TYPES, key=weight)  # the first of equal ones
    if weight(best) <= 0:
        raise RequestError(406, f"Accept: {accept} allows no answer; use {' or '.join(TYPES)}")
    return best


def _weighted(part: str) -> tuple[str, float]:
    name, *parameters = (word.strip() for word in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0


def encode(table: Any, media_type: str) -> bytes:
    """Encode an answer's table."""
    if media_type == json_body.TYPE:
        return dumps({"predictions": table.to_pylist()}).encode()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    content: bytes = sink.getvalue().to_pybytes()
    return content
