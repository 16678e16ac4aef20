"""JSON of metatrain's files: valid for every reader, and read back exactly as written.

JSON has no non-finite numbers. Such a number is null, with its value under `not_finite`:
{"loss": null, "not_finite": {"loss": "inf"}}. So every tool reads a column of numbers as one.
Files of older versions hold NaN and Infinity, or null alone; `loads` accepts these too.

A file without `format_version` has version 1. A newer minor version adds keys, which are ignored; a
newer format has a higher number, and is refused.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

_FLAG = "not_finite"
FORMAT_VERSION = 1
_PLAIN = json.JSONEncoder(allow_nan=False)


def dumps(value: Any, indent: int | None = None) -> str:
    """Encode dictionaries with text as keys, lists, text, numbers, booleans and None as JSON."""
    if indent is None and _is_plain_row(value):
        return _PLAIN.encode(value)
    return json.dumps(_encoded(value), indent=indent, allow_nan=False)


def encoded(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the table as `dumps` writes it, for another library's JSON encoder."""
    return _encoded(table)


def loads(content: str | bytes) -> Any:
    """Decode JSON of `dumps` or of an older version. Raises ValueError: it is not JSON."""
    try:
        return decoded(json.loads(content))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def decoded(value: Any) -> Any:
    """Invert `encoded`."""
    if isinstance(value, dict):
        marks = value.get(_FLAG)
        marks = marks if isinstance(marks, dict) else {}
        return {
            key: _restored(decoded(item), marks.get(key))
            for key, item in value.items()
            if key != _FLAG
        }
    if isinstance(value, list):
        return [decoded(item) for item in value]
    return value


def as_text(name: str) -> str:
    """Make a file name valid text: a lone surrogate becomes an escape sequence."""
    return name.encode("utf-8", "backslashreplace").decode()


def check_version(content: Any, place: str) -> None:
    """Refuse a file of a newer format.

    Raises:
      ValueError: the message names the file, its version and the supported one.
    """
    version = content.get("format_version", FORMAT_VERSION) if isinstance(content, Mapping) else 1
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise ValueError(
            f"{place} has format version {version!r}, and this metatrain reads {FORMAT_VERSION}; "
            "use the metatrain that wrote it, or a newer one"
        )


def numbers_of(row: Any) -> dict[str, Any]:
    """Return the numbers of a row of scores; null is a non-finite number.

    Entries of other types, which a newer version may add, are ignored.

    Raises:
      ValueError: the row is not a table.
    """
    if not isinstance(row, Mapping):
        raise ValueError("a row of scores is a table")
    values = {key: math.nan if value is None else value for key, value in row.items()}
    return {key: value for key, value in values.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or abs(value) < 2**63


def _is_plain_row(value: Any) -> bool:
    """Tell whether it is a table of finite numbers alone, which is four times as fast to write."""
    if type(value) is not dict:
        return False
    for key, item in value.items():
        if type(item) is float:
            if not -math.inf < item < math.inf:
                return False
        elif type(item) is not int:
            return False
        if not key.isascii():
            return False
    return True


def _encoded(value: Any) -> Any:
    if isinstance(value, str):
        return as_text(value)
    if isinstance(value, Mapping):
        marks = {as_text(key): mark for key, v in value.items() if (mark := _mark(v)) is not None}
        table = {as_text(key): _encoded(item) for key, item in value.items()}
        return {**table, _FLAG: marks} if marks else table
    if isinstance(value, list | tuple):
        return [_encoded(item) for item in value]
    return None if _mark(value) is not None else value


def _mark(value: Any) -> Any:
    """Return the name of a non-finite number, for a list a list of names; None: all are finite."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(float(value))
    if isinstance(value, list | tuple):
        marks = [_mark(item) for item in value]
        return marks if any(mark is not None for mark in marks) else None
    return None


def _restored(value: Any, mark: Any) -> Any:
    if mark in ("inf", "-inf", "nan") and value is None:
        return float(mark)
    if isinstance(mark, list) and isinstance(value, list) and len(mark) == len(value):
        return [_restored(item, part) for item, part in zip(value, mark, strict=True)]
    return value
