"""The schema as a list: every dotted key, and what is declared of it."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@cache
def keys_of(schema: type[BaseModel]) -> tuple[tuple[str, FieldInfo], ...]:
    """(dotted name, field) of all that a configuration may say, whatever its kinds are.

    A name that several kinds have is there several times.
    """
    return tuple(_keys(schema, ""))


def _keys(schema: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in schema.model_fields.items():
        inner = list(_sections(field.annotation))
        plain = [each for each in get_args(field.annotation) if not list(_sections(each))]
        if not inner or plain:
            yield prefix + name, field
        for section in inner:
            yield from _keys(section, f"{prefix}{name}.")


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """The sections that a field's type allows; not those under names of the user's."""
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for each in get_args(annotation):
        yield from _sections(each)


@cache
def places_of(schema: type[BaseModel]) -> dict[str, frozenset[str]]:
    """Dotted names of paths -> where they are looked for, by kind: see `setting`."""
    found: dict[str, set[str]] = {}
    for name, field in keys_of(schema):
        declared = field.json_schema_extra
        if isinstance(declared, dict) and declared.get("place"):
            found.setdefault(name, set()).add(str(declared["place"]))
    return {name: frozenset(places) for name, places in found.items()}


def bits_of(section: BaseModel) -> dict[str, Any]:
    """What of a section decides the weights."""
    table: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value, declared = getattr(section, name), field.json_schema_extra
        if isinstance(declared, dict) and not declared.get("bits"):
            continue
        if isinstance(value, BaseModel):
            table[name] = bits_of(value)
        elif isinstance(value, Mapping):
            table[name] = {
                key: bits_of(each) if isinstance(each, BaseModel) else each
                for key, each in value.items()
            }
        else:
            table[name] = list(value) if isinstance(value, tuple) else value
    return table
