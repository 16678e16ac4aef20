"""How registries name what they hold: "module:Name", imported when it is asked for."""

import importlib
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, Union

from pydantic import Field

from workers.settings.section import Record

Found = TypeVar("Found", bound=Record)


def named(place: str) -> Any:
    """Import what `place` names, "module:Name"."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def records(places: Mapping[str, str]) -> dict[str, Any]:
    """Import the record of each kind.

    Raises:
      ValueError: a record calls itself by another kind than its row.
    """
    found: dict[str, type[Record]] = {kind: named(place) for kind, place in places.items()}
    for kind, record in found.items():
        if (own := record.model_fields["kind"].default) != kind:
            raise ValueError(f"{places[kind]} says kind = {own!r}, its row {kind!r}")
    return found


def record_of(found: Mapping[str, type[Found]], kind: object) -> type[Found] | None:
    """Look up a kind that somebody has typed; None where there is none."""
    return found.get(kind) if isinstance(kind, str) else None


def union(kinds: Mapping[str, type[Record]]) -> Any:
    """Make the type of a table that its `kind` chooses among these records."""
    return Annotated[Union[tuple(kinds.values())], Field(discriminator="kind")]  # noqa: UP007
