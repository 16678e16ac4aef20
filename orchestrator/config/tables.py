"""Access to plain tables, such as a TOML file before it is validated."""

from collections.abc import Iterator, Mapping
from typing import Any


def empty_tables(overrides: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of tables without a key."""
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            yield from empty_tables(value, f"{prefix}{key}.") if value else [f"{prefix}{key}"]


def value_at(table: Any, key: str) -> Any:
    """Return the value at a dotted name, or None."""
    for name in key.split("."):
        table = table.get(name) if isinstance(table, Mapping) else None
    return table
