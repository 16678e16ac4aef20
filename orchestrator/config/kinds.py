"""What a section keeps when its kind changes: the keys that the new kind has too."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from workers.settings.algorithms import ALGORITHMS
from workers.settings.models import MODELS
from workers.settings.registry import record_of
from workers.settings.section import Record
from workers.settings.tasks import TASKS

Table = dict[str, Any]

#: What a note says of an inner rate whose new value hangs on the task.
TO_THE_DEFAULT = "to the default"

#: Section -> kind -> its schema.
KINDS: Mapping[str, Mapping[str, type[Record]]] = {
    "task": TASKS,
    "model": MODELS,
    "algorithm": ALGORITHMS,
}


def change_kind(
    section: str, old: Mapping[str, Any], kind: Any, given: Mapping[str, Any]
) -> tuple[Table, str]:
    """`old`'s keys as far as the new kind has them and takes their values.

    Args:
      old: the section as it is, with its old kind.
      given: what is written into the section with the new kind: not kept, and not told.
    Returns:
      the section with the new kind, without `given`; what is told of it, "" if nothing.
    """
    schema = record_of(KINDS.get(section, {}), kind)
    if schema is None:  # unknown: the schema says what is allowed
        return {"kind": kind}, ""
    kept: Table = {}
    dropped, reset = [], []
    for key, value in old.items():
        if key == "kind" or key in given:
            continue
        if key not in schema.model_fields:
            dropped.append(f"{key} = {value!r}")
        elif _is_valid(schema, {**kept, **given, "kind": kind}, key, value):
            kept[key] = value
        else:
            reset.append(_reset(schema, key, value))
    _drop_rate_of_adam(old, kept, given, reset)
    for key, why in schema.never_kept.items():
        if key in kept:
            dropped.append(f"{key} = {kept.pop(key)!r}, {why}")
    told = [
        f"{verb} {', '.join(keys)}"
        for verb, keys in (
            ("drops", dropped),
            ("resets", reset),
            ("keeps", [f"{key} = {value!r}" for key, value in kept.items()]),
        )
        if keys
    ]
    if advice := schema.advice(kept):
        told.append(advice)
    note = f"changing {section}.kind from {old.get('kind')!r} to {kind!r} {'; '.join(told)}"
    return {"kind": kind, **kept}, note if told else ""


def _reset(schema: type[BaseModel], key: str, value: Any) -> str:
    field = schema.model_fields[key]
    if field.is_required():
        return f"{key} = {value!r}, which must be given anew"
    return f"{key} = {value!r} to {field.get_default()!r}"


def _is_valid(schema: type[BaseModel], rest: Table, key: str, value: Any) -> bool:
    """Whether the key makes nothing wrong that was not; what is missing may still be given."""
    return _count_errors(schema, {**rest, key: value}) <= _count_errors(schema, rest)


def _count_errors(schema: type[BaseModel], table: Table) -> int:
    try:
        schema.model_validate(table)
    except ValidationError as error:
        return sum(each["type"] != "missing" for each in error.errors())
    return 0


def _drop_rate_of_adam(
    old: Mapping[str, Any], kept: Table, given: Mapping[str, Any], reset: list[str]
) -> None:
    """A rate of Adam's says nothing of a rate for the gradient itself, nor the other way round."""
    adam = [table.get("inner_optimizer") == "adam" for table in (old, {**kept, **given})]
    if "inner_lr" in kept and adam[0] != adam[1]:
        why = "a rate of Adam's" if adam[0] else "no rate of Adam's"
        reset.append(f"inner_lr = {kept.pop('inner_lr')!r}, {why}, {TO_THE_DEFAULT}")
