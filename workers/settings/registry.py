"""Registries, whose entries are named "module:Name" and imported when needed."""

import importlib
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, Union

from pydantic import Field

from workers.settings.section import Record

RecordType = TypeVar("RecordType", bound=Record)


def named(place: str) -> Any:
    """Import the object that `place` names, "module:Name"."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def records(places: Mapping[str, str]) -> dict[str, Any]:
    """Import the record of each kind.

    Raises:
      ValueError: the kind of a record differs from its row.
    """
    by_kind: dict[str, type[Record]] = {kind: named(place) for kind, place in places.items()}
    for kind, record in by_kind.items():
        if (default := record.model_fields["kind"].default) != kind:
            raise ValueError(f"{places[kind]} says kind = {default!r}, its row {kind!r}")
    return by_kind


def record_of(by_kind: Mapping[str, type[RecordType]], kind: object) -> type[RecordType] | None:
    """Look up a kind from user input; None if there is no such kind."""
    return by_kind.get(kind) if isinstance(kind, str) else None


def union(by_kind: Mapping[str, type[Record]]) -> Any:
    """Make the type of a table whose `kind` selects one of these records."""
    return Annotated[Union[tuple(by_kind.values())], Field(discriminator="kind")]  # noqa: UP007
