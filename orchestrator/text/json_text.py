"""JSON as files of ours hold it: valid for every reader, and read back as it was written.

JSON has no number that is not finite. Such a one is null, and `not_finite` beside it says which:
{"loss": null, "not_finite": {"loss": "inf"}}. So a column of numbers stays one for all tools.
Files of older versions hold NaN and Infinity, or null alone; `loads` takes these too.

A file's `format_version` is 1 where it has none. A newer minor version adds keys, which are passed
over; a newer format has a higher number, and is refused.
"""

import json
import math
from collections.abc import Mapping
from typing import Any

_FLAG = "not_finite"
FORMAT_VERSION = 1


def dumps(value: Any, indent: int | None = None) -> str:
    """Dictionaries with text as keys, lists, text, numbers, truth values and None as JSON."""
    return json.dumps(_encoded(value), indent=indent, allow_nan=False)


def encoded(table: Mapping[str, Any]) -> dict[str, Any]:
    """The table as `dumps` writes it, for a file that is written by others."""
    return _encoded(table)


def loads(content: str | bytes) -> Any:
    """What `dumps` or an older version wrote. Raises ValueError: it is not JSON."""
    try:
        return decoded(json.loads(content))
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def decoded(value: Any) -> Any:
    """What `encoded` was given."""
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
    """A name on a disk may be no text: half a character becomes an escape that all can read."""
    return name.encode("utf-8", "backslashreplace").decode()


def check_version(found: Any, place: str) -> None:
    """Refuse a file of a newer format.

    Raises:
      ValueError: names the file, its version and what is read.
    """
    version = found.get("format_version", FORMAT_VERSION) if isinstance(found, Mapping) else 1
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise ValueError(
            f"{place} has format version {version!r}, and this metatrain reads {FORMAT_VERSION}; "
            "take the metatrain that wrote it, or a newer one"
        )


def numbers_of(row: Any) -> dict[str, Any]:
    """The entries of a row of scores that are numbers; null is one that is not finite.

    What a newer version adds of another kind is passed over.
    """
    if not isinstance(row, Mapping):
        raise ValueError("a row of scores is a table")
    known = {key: math.nan if value is None else value for key, value in row.items()}
    return {key: value for key, value in known.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return isinstance(value, float) or abs(value) < 2**63


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
    """Which number it is that JSON lacks, of a list a list of these; None: it lacks none."""
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
        return [_restored(item, each) for item, each in zip(value, mark, strict=True)]
    return value
