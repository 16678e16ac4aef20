"""Translation of pydantic's errors into one line: which key, which value, what is allowed."""

import difflib
from collections.abc import Iterable, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from orchestrator.config.suggestions import meant
from orchestrator.text.plain_text import shortened

_MOST_LETTERS = 120
# Type of a pydantic error -> what the value must be, with names from the error's context.
_PLAIN = {
    "greater_than_equal": "be at least {ge}",
    "greater_than": "be greater than {gt}",
    "less_than_equal": "be at most {le}",
    "less_than": "be less than {lt}",
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float"), "be a whole number"),
    **dict.fromkeys(("float_type", "float_parsing"), "be a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "be true or false"),
    "finite_number": "be a finite number",
    "string_type": "be a text, in quotes",
    "tuple_type": "be a list, in brackets",
    "dict_type": "be a table of keys",
    "too_long": "have at most {max_length} values",
}


def explain(error: ValidationError, schema: type[BaseModel]) -> str:
    """Describe the first error in one line for the user of `schema`.

    An unknown key comes before a missing one, which it may have been meant for.
    """
    errors = error.errors()
    first = errors[0]
    if first["type"] in ("missing", "union_tag_not_found"):
        first = next((other for other in errors if other["type"] == "extra_forbidden"), first)
    keys, section, field = _locate(first["loc"], schema)
    key, kind, context = ".".join(keys), first["type"], first.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = sorted(section.model_fields)
        near = suggest(keys[-1], allowed)
        if not near and (other := meant(key, schema)):
            elsewhere = f" (it belongs to another {key.partition('.')[0]}.kind)"
            near = elsewhere if other == key else f" (did you mean '{other}'?)"
        return f"unknown key {key}{near}; allowed are {', '.join(allowed)}"
    if kind == "union_tag_invalid":
        kinds = [_kind(option) for option in _sections(field)]
        return (
            f"{key}.kind = {context['tag']!r} is not known{suggest(context['tag'], kinds)}; "
            f"allowed are {', '.join(kinds)}"
        )
    if kind == "missing" and isinstance(first["loc"][-1], int):
        return (
            f"{key} = {first['input']!r}: needs more values ({field.description if field else ''})"
        )
    if kind in ("missing", "union_tag_not_found"):
        kinds = [_kind(option) for option in _sections(field) if "kind" in option.model_fields]
        if not kinds:
            others = _other_missing(error, schema)
            return f"{key} is missing" + (f" ({field.description})" if field else "") + others
        return f"{key}.kind is missing; allowed are {', '.join(kinds)}"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    if first["loc"] and isinstance(first["loc"][-1], int):
        key = f"{key}[{first['loc'][-1]}]"
    if not keys or (kind == "value_error" and (field is None or _sections(field))):
        return f"{key}: {message}" if _is_mapping(field) else message
    described = f" ({field.description})" if field and field.description else ""
    value = shortened(repr(first["input"]), _MOST_LETTERS)
    if _sections(field):
        return f"{key} = {value} is not a table of keys{described}"
    if kind == "value_error":
        return f"{key} = {value}: {message}{described}"
    return f"{key} {_requirement(kind, context, message)}, got {value}{described}"


def _requirement(kind: str, context: dict[str, Any], message: str) -> str:
    """Return what a value must be, in plain words; for rare errors in pydantic's."""
    if kind == "too_short":
        least = context["min_length"]
        return f"must have at least {least} value{'' if least == 1 else 's'}"
    if kind in _PLAIN:
        whole = {name: int(v) for name, v in context.items() if isinstance(v, float) and v % 1 == 0}
        return f"must {_PLAIN[kind].format(**context | whole)}"
    _, should, rest = message.partition(" should ")
    return f"must {rest}" if should else f"is not right ({message})"


def _other_missing(error: ValidationError, schema: type[BaseModel]) -> str:
    """Name the other missing keys, so that the user can set all at once."""
    rest = [other["loc"] for other in error.errors()[1:] if other["type"] == "missing"]
    keys = [".".join(_locate(loc, schema)[0]) for loc in rest]
    return f"; so {'are' if keys[1:] else 'is'} {' and '.join(keys)}" if keys else ""


def suggest(name: str, known: Iterable[str]) -> str:
    """Return " (did you mean 'x'?)" if a known name is close to `name`, else ""."""
    close = difflib.get_close_matches(str(name), list(known), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""


def _locate(
    loc: Sequence[int | str], schema: type[BaseModel]
) -> tuple[list[str], type[BaseModel], FieldInfo | None]:
    """Return the keys without the tags that pydantic inserts, the innermost section, the field."""
    keys: list[str] = []
    section, field = schema, None
    for part in loc:
        options = {_kind(option): option for option in _sections(field)}
        if part in options:
            section, field = options[str(part)], None
            continue
        if len(options) == 1:
            section = next(iter(options.values()))
        if isinstance(part, str) and part in section.model_fields:
            keys.append(part)
            field = section.model_fields[part]
        elif isinstance(part, str) and (field is None or options):
            keys.append(part)  # an unknown key; other strings name a member of a union
    return keys, section, field


def _sections(field: FieldInfo | None) -> list[type[BaseModel]]:
    """Return the sections that a field may hold: none for a plain value."""
    if field is None:
        return []
    options: Any = get_args(field.annotation) or (field.annotation,)
    return [o for o in options if isinstance(o, type) and issubclass(o, BaseModel)]


def _is_mapping(field: FieldInfo | None) -> bool:
    """Return whether a field holds sections under the user's own names."""
    return field is not None and get_origin(field.annotation) is dict


def _kind(section: type[BaseModel]) -> str:
    field = section.model_fields.get("kind")
    return str(field.default) if field else section.__name__
