"""Changing the kind of a section: keys that the new kind also has are kept."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from workers.settings.algorithms import ALGORITHMS
from workers.settings.models import MODELS
from workers.settings.registry import record_of
from workers.settings.section import Record
from workers.settings.tasks import TASKS

Table = dict[str, Any]

#: Placeholder in a note for an inner rate whose new value depends on the task.
TO_THE_DEFAULT = "to the default"

#: Section -> kind -> its schema.
KINDS: Mapping[str, Mapping[str, type[Record]]] = {
    "task": TASKS,
    "model": MODELS,
    "algorithm": ALGORITHMS,
}


def change_kind(
    section: str, old: Mapping[str, Any], kind: Any, overrides: Mapping[str, Any]
) -> tuple[Table, str]:
    """Keep those keys of `old` that the new kind has and whose values it accepts.

    Args:
      old: the section with its old kind.
      overrides: keys that are set together with the new kind: neither kept nor in the note.
    Returns:
      the section with the new kind, without `overrides`; a note for the user, "" if none.
    """
    schema = record_of(KINDS.get(section, {}), kind)
    if schema is None:  # unknown: the schema reports what is allowed
        return {"kind": kind}, ""
    kept: Table = {}
    dropped, reset = [], []
    for key, value in old.items():
        if key == "kind" or key in overrides:
            continue
        if key not in schema.model_fields:
            dropped.append(f"{key} = {value!r}")
        elif _is_valid(schema, {**kept, **overrides, "kind": kind}, key, value):
            kept[key] = value
        else:
            reset.append(_reset(schema, key, value))
    _drop_rate_of_adam(old, kept, overrides, reset)
    for key, why in never_kept(KINDS[section], old.get("kind"), kind).items():
        if key in kept:
            dropped.append(f"{key} = {kept.pop(key)!r}, {why}")
    changes = [
        f"{verb} {', '.join(keys)}"
        for verb, keys in (
            ("drops", dropped),
            ("resets", reset),
            ("keeps", [f"{key} = {value!r}" for key, value in kept.items()]),
        )
        if keys
    ]
    if advice := schema.advice(kept):
        changes.append(advice)
    note = f"changing {section}.kind from {old.get('kind')!r} to {kind!r} {'; '.join(changes)}"
    return {"kind": kind, **kept}, note if changes else ""


def never_kept(schemas: Mapping[str, type[Record]], old: Any, new: Any) -> Mapping[str, str]:
    """Return the keys that are dropped where one of these kinds replaces the other, and why."""
    both = [record_of(schemas, kind) for kind in (old, new)] if old not in (None, new) else []
    return {key: why for record in both if record for key, why in record.never_kept.items()}


def _reset(schema: type[BaseModel], key: str, value: Any) -> str:
    field = schema.model_fields[key]
    if field.is_required():
        return f"{key} = {value!r}, which must be set again"
    return f"{key} = {value!r} to {field.get_default()!r}"


def _is_valid(schema: type[BaseModel], rest: Table, key: str, value: Any) -> bool:
    """Return whether the key adds no error; keys that are missing may still be set."""
    return _count_errors(schema, {**rest, key: value}) <= _count_errors(schema, rest)


def _count_errors(schema: type[BaseModel], table: Table) -> int:
    try:
        schema.model_validate(table)
    except ValidationError as error:
        return sum(part["type"] != "missing" for part in error.errors())
    return 0


def _drop_rate_of_adam(
    old: Mapping[str, Any], kept: Table, overrides: Mapping[str, Any], reset: list[str]
) -> None:
    """Reset the inner rate where only one of both kinds uses Adam: such rates do not compare."""
    adam = [table.get("inner_optimizer") == "adam" for table in (old, {**kept, **overrides})]
    if "inner_lr" in kept and adam[0] != adam[1]:
        why = "a rate of Adam's" if adam[0] else "no rate of Adam's"
        reset.append(f"inner_lr = {kept.pop('inner_lr')!r}, {why}, {TO_THE_DEFAULT}")
