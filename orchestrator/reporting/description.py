"""The description of a source of tasks, as a table for people and as values for JSON."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text


def description_table(kind: str, description: Mapping[str, Any]) -> Table:
    """Make a table of a task family's description.

    Args:
      kind: task.kind.
      description: what `TaskFamily.describe` returns.
    """
    table = Table(show_header=False, title=f"task.kind = {kind}")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in description.items():
        table.add_row(name.replace("_", " "), Text(_plain(value)))
    return table


def plain_values(value: Any) -> Any:
    """Return a description with the types of JSON alone: numpy's numbers, and text of the rest."""
    if isinstance(value, Mapping):
        return {str(key): plain_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_values(item) for item in value]
    if hasattr(value, "item"):
        return value.item()
    return value if isinstance(value, str | int | float | None) else str(value)


def _plain(value: Any) -> str:
    if isinstance(value, list):
        separator = " to " if all(isinstance(item, int | float) for item in value) else ", "
        return separator.join(_plain(item) for item in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
