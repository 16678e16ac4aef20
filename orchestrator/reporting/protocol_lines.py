"""The rows of a protocol, for consoles, directly below its numbers, and for pages."""

from collections.abc import Iterable, Mapping
from typing import Any

from orchestrator.text.console import Console


def print_protocol(console: Console, protocol: Mapping[str, Any]) -> None:
    """Print each row on a line, uncut even on a narrow console."""
    rows = protocol_of(protocol)
    width = max(map(len, rows), default=0)
    console.print("protocol:")
    for name, value in rows.items():
        console.print(f"  {name:<{width}}  {value}")


def protocol_of(protocol: Mapping[str, Any]) -> dict[str, str]:
    """Format the rows of a protocol."""
    return {name.replace("_", " "): plain(value) for name, value in protocol.items()}


def plain(value: Any, between: str = " to ") -> str:
    """Format a value of a protocol or a configuration; `between` separates a list's items."""
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
