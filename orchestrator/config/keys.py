"""The schema as a list: every dotted key and its declaration."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo


@cache
def keys_of(schema: type[BaseModel]) -> tuple[tuple[str, FieldInfo], ...]:
    """List (dotted name, field) of every key that a configuration of any kind may have.

    A name that several kinds have is listed several times.
    """
    return tuple(_keys(schema, ""))


def _keys(schema: type[BaseModel], prefix: str) -> Iterator[tuple[str, FieldInfo]]:
    for name, field in schema.model_fields.items():
        inner = list(_sections(field.annotation))
        plain = [option for option in get_args(field.annotation) if not list(_sections(option))]
        if not inner or plain:
            yield prefix + name, field
        for section in inner:
            yield from _keys(section, f"{prefix}{name}.")


def _sections(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the sections that a field's type allows; not those under the user's own names."""
    if isinstance(annotation, type):
        if issubclass(annotation, BaseModel):
            yield annotation
        return
    for option in get_args(annotation):
        yield from _sections(option)


@cache
def places_of(schema: type[BaseModel]) -> dict[str, frozenset[str]]:
    """Map dotted names of paths to the places where they are looked for; see `setting`."""
    places_by_name: dict[str, set[str]] = {}
    for name, field in keys_of(schema):
        declared = field.json_schema_extra
        if isinstance(declared, dict) and declared.get("place"):
            places_by_name.setdefault(name, set()).add(str(declared["place"]))
    return {name: frozenset(places) for name, places in places_by_name.items()}


def bits_of(section: BaseModel) -> dict[str, Any]:
    """Return the keys of a section that decide the weights, as a table; see `setting`."""
    table: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value, declared = getattr(section, name), field.json_schema_extra
        if isinstance(declared, dict) and not declared.get("bits"):
            continue
        if isinstance(declared, dict) and declared.get("later") and value == field.default:
            continue
        if isinstance(value, BaseModel):
            table[name] = bits_of(value)
        elif isinstance(value, Mapping):
            table[name] = {
                key: bits_of(item) if isinstance(item, BaseModel) else item
                for key, item in value.items()
            }
        else:
            table[name] = list(value) if isinstance(value, tuple) else value
    return table


def later_defaults(section: BaseModel) -> dict[str, Any]:
    """Map dotted keys that `bits_of` may leave out, because they are the default, to that."""
    table: dict[str, Any] = {}
    for name, field in type(section).model_fields.items():
        value, declared = getattr(section, name), field.json_schema_extra
        if isinstance(declared, dict) and declared.get("later"):
            table[name] = field.get_default(call_default_factory=True)
        elif isinstance(value, BaseModel):
            inner = later_defaults(value)
            table |= {f"{name}.{key}": default for key, default in inner.items()}
    return table
