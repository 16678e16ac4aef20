"""A protocol in rows: on the console right below the numbers that it belongs to, and on pages."""

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.text.console import Console


def print_protocol(console: Console, protocol: Mapping[str, Any]) -> None:
    """Print a row a line, as it is however narrow the console: nothing is cut."""
    rows = protocol_of(protocol)
    width = max(map(len, rows), default=0)
    console.print("protocol:")
    for name, value in rows.items():
        console.print(f"  {name:<{width}}  {value}")


def protocol_of(protocol: Mapping[str, Any]) -> dict[str, str]:
    """A protocol's rows."""
    return {name.replace("_", " "): plain(value) for name, value in protocol.items()}


def plain(value: Any, between: str = " to ") -> str:
    """A value of a protocol or a configuration; `between` the items of a list."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, Mapping):
        return ", ".join(f"{name} = {plain(item, between)}" for name, item in value.items())
    if isinstance(value, Iterable) and not isinstance(value, str):
        return between.join(plain(item, between) for item in value)
    return str(value)
