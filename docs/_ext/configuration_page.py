"""Every key of the configuration, from the schema."""

import inspect
import json
import tomllib
import types
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from markdown_text import sentence, term
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from orchestrator.config.driver_settings import (
    CheckpointSettings,
    EvaluationSettings,
    OuterSettings,
    PoolSettings,
    TrackingSettings,
)
from orchestrator.config.schema import MetaConfig
from orchestrator.sweep.dimension import Dimension
from orchestrator.sweep.settings import SearchSettings, SweepSettings
from workers.settings.algorithms import ALGORITHMS
from workers.settings.models import MODELS
from workers.settings.tasks import TASKS
from workers.settings.worker import RuntimeSettings

_PLAIN = {int: "integer", float: "number", str: "text", bool: "`true` or `false`"}
_SECTIONS = {
    "outer": OuterSettings,
    "workers": PoolSettings,
    "evaluation": EvaluationSettings,
    "checkpoint": CheckpointSettings,
    "tracking": TrackingSettings,
    "runtime": RuntimeSettings,
}
_KINDS = {"task": TASKS, "model": MODELS, "algorithm": ALGORITHMS}
_FREE = "free"
_OPEN_KIND = "# kind: by the data"


def text() -> str:
    """Return the page below its introduction."""
    top = [(name, field) for name, field in MetaConfig.model_fields.items() if field.description]
    parts = ["## A run\n", *(_entry(name, field) for name, field in top)]
    for table, kinds in _KINDS.items():
        for kind, record in kinds.items():
            parts.append(f'## {table}.kind = "{kind}"\n')
            parts.append(sentence((record.__doc__ or "").split("\n\n")[0]) + "\n")
            parts += _entries(record, f"{table}.")
            if table == "task":
                parts.append(_defaults(record))
    for name, section in _SECTIONS.items():
        parts += [f"## {name}\n", sentence(section.__doc__ or "") + "\n"]
        parts += _entries(section, f"{name}.")
    return "\n".join(parts)


def sweep_text() -> str:
    """Return the keys of a sweep's file."""
    parts = [*_entries(SweepSettings, ""), *_entries(SearchSettings, "search.")]
    parts += ["### What a key of the space may have\n", *_entries(Dimension, "")]
    return "\n".join(part.replace(f" · {_FREE}\n", "\n") for part in parts)


def _entries(section: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in section.model_fields.items():
        if name == "kind":
            continue
        if field.description:
            yield _entry(prefix + name, field)
        for inside, inner in _inner(field.annotation):
            yield from _entries(inner, f"{prefix}{name}.{inside}")


def _inner(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """Sections that are one way to give a key, and those under names of the user's."""
    for each in get_args(annotation):
        if _is_section(each) and each is not Dimension:
            yield ("NAME." if get_origin(annotation) is dict else ""), each


def _is_section(annotation: Any) -> bool:
    return inspect.isclass(annotation) and issubclass(annotation, BaseModel)


def _entry(name: str, field: FieldInfo) -> str:
    declared = field.json_schema_extra
    free = isinstance(declared, dict) and declared.get("bits") is False
    remarks = [_values(field.annotation), _default(field), _FREE if free else ""]
    return term(name, remarks, sentence(field.description or ""))


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.get_default(call_default_factory=True)
    if value is None:
        return "unset"
    if isinstance(value, BaseModel):
        return ""
    if isinstance(value, tuple):
        value = list(value)
    return f"default `{json.dumps(value, ensure_ascii=False)}`"


def _values(annotation: Any) -> str:
    """Describe the values that are allowed."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(f"`{json.dumps(each)}`" for each in inner)
    if origin is Annotated:
        return _values(inner[0])
    if origin in (Union, types.UnionType):
        words = [_values(each) for each in inner if each is not type(None)]
        return " or ".join(dict.fromkeys(words))
    if origin is tuple:
        if len(inner) == 2 and inner[1] is ...:
            return f"list of {_values(inner[0])}"
        return f"{len(inner)} × {_values(inner[0])}"
    if origin in (dict, Mapping) or _is_section(annotation):
        return "table"
    return _PLAIN.get(annotation, "any value")


def _defaults(record: Any) -> str:
    """List the defaults of the rest of the configuration."""
    lines = []
    for table, values in record.defaults.items():
        lines += [f"[{table}]", *([] if "kind" in values or table != "model" else [_OPEN_KIND])]
        lines += [f"{key} = {json.dumps(value)}" for key, value in values.items()]
    told = "\n".join(lines)
    tomllib.loads(told)
    return f"Defaults of the other tables with this kind:\n\n```toml\n{told}\n```\n"
