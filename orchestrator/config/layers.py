"""Merging the layers of a configuration, as plain tables, before they are validated."""

from collections.abc import Iterator, Mapping
from fnmatch import fnmatch
from typing import Any

from orchestrator.config.kinds import KINDS, Table, change_kind, never_kept
from orchestrator.config.tables import empty_tables, value_at
from workers.settings.algorithms import ALGORITHMS
from workers.settings.registry import record_of

# Keys whose value may be a table that is not a section.
_VALUES = {"workers.count"}
# Sections of exactly one key: a new key replaces it.
_OF_ONE_KEY = "task.vary.*"
# Tables whose keys are the user's: a new table replaces the whole one.
_OWN_KEYS = {"task.vary", "task.arguments"}
# A split is by shares or by counts, not by both.
_SHARES, _SPLIT_FILE = "task.split_shares", "task.split_file"
_COUNTED = ("classes", "domains", "tasks")


def flatten(table: Mapping[str, Any], prefix: str = "") -> Table:
    """Flatten nested tables: {"a": {"b": 1}} -> {"a.b": 1}."""
    flat: Table = {}
    for key, value in table.items():
        if isinstance(value, Mapping) and f"{prefix}{key}" not in _VALUES:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def merge(table: Table, overrides: Mapping[str, Any]) -> list[str]:
    """Write dotted names or tables into `table`; return notes for the user, as `set_key`."""
    flat = flatten(overrides)
    kinds = {key: value for key, value in flat.items() if key.endswith(".kind")}
    notes = []
    before = value_at(table, "algorithm.kind")
    for key, value in kinds.items():
        section = key.removesuffix(".kind")
        section_overrides = {
            name.removeprefix(f"{section}."): new
            for name, new in flat.items()
            if name.startswith(f"{section}.")
        }
        notes += set_key(table, key, value, section_overrides)
    notes += _make_room(table, flat, before)
    changed = {key.rpartition(".")[0] for key in flat}
    whole = _OWN_KEYS & set(_tables(overrides))
    for section in sorted({key for key in changed if fnmatch(key, _OF_ONE_KEY)} | whole):
        set_key(table, section, {})
    for key, value in flat.items():
        if key not in kinds:
            notes += set_key(table, key, value)
    for key in empty_tables(overrides):  # `flatten` drops them
        if not isinstance(value_at(table, key), Mapping):
            set_key(table, key, {})
    return notes


def set_key(
    table: Table, key: str, value: Any, overrides: Mapping[str, Any] | None = None
) -> list[str]:
    """Write `value` at dotted `key`; a new kind keeps the keys of its section that it has too.

    Args:
      overrides: keys that will be written into the section after its new kind.
    Returns:
      notes for the user about a new kind.
    Raises:
      ValueError: a part of the key is not a table.
    """
    *sections, last = key.split(".")
    for name in sections:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise ValueError(f"{key} goes through {name}, which is no table")
    if last == "kind" and table.get("kind") not in (None, value):
        kept, note = change_kind(".".join(sections), table, value, overrides or {})
        table.clear()
        table |= kept
        return [note] if note else []
    table[last] = value
    return []


def _make_room(table: Table, overrides: Mapping[str, Any], before: Any) -> list[str]:
    """Drop keys of the layers below that exclude `overrides`; return a note on each.

    before: the kind of the algorithm there.
    """
    dropped = []
    task, evaluation = table.get("task"), table.get("evaluation")
    if isinstance(task, dict):
        counts = [f"{s}_{what}" for s in ("train", "validation", "test") for what in _COUNTED]
        if _SHARES in overrides:
            dropped += [("task", key, "a share") for key in counts if key in task]
        if overrides.get(_SPLIT_FILE) is not None:
            drawn = [*counts, "split_shares", "split_seed"]
            dropped += [("task", key, "a split file") for key in drawn if key in task]
    kind = overrides.get("algorithm.kind")
    algorithm = record_of(ALGORITHMS, kind)
    if algorithm is not None and isinstance(evaluation, dict):
        unwanted = dict(algorithm.no_evaluation)
        unlike = never_kept(KINDS["algorithm"], before, kind)
        unwanted |= {key: why for key, why in unlike.items() if key == "inner_lr"}
        reasons = [(key, f"algorithm.kind = {kind!r}, {why}") for key, why in unwanted.items()]
        dropped += [("evaluation", key, why) for key, why in reasons if key in evaluation]
    return [
        f"{section}.{key} = {table[section].pop(key)!r} is dropped: it cannot go with {why}"
        for section, key, why in dropped
        if f"{section}.{key}" not in overrides
    ]


def _tables(overrides: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield the dotted names of all nested tables."""
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            yield f"{prefix}{key}"
            yield from _tables(value, f"{prefix}{key}.")
