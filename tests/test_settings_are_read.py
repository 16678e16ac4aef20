"""Every field of the configuration is read by some code."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from orchestrator.config.schema import MetaConfig
from workers.settings.section import Section

ROOT = Path(__file__).parents[1]
# What else a section is called where it is read.
ALIASES = {"settings", "_settings"}


def sections(annotation: Any) -> list[type[BaseModel]]:
    """Yield the sections that a field's type allows."""
    if isinstance(annotation, type):
        return [annotation] if issubclass(annotation, Section) else []
    return [section for item in get_args(annotation) for section in sections(item)]


def fields(model: type[BaseModel], place: str = "config") -> Iterator[tuple[str, str, Any]]:
    """Yield (section's name, field's name, field), also for sections within a union."""
    for name, field in model.model_fields.items():
        inner = sections(field.annotation)
        if not inner:
            yield place, name, field
        for section in inner:
            yield from fields(section, name)


def is_validator(node: ast.AST) -> bool:
    return isinstance(node, ast.FunctionDef) and any(
        isinstance(decorator, ast.Call)
        and isinstance(decorator.func, ast.Name)
        and decorator.func.id in ("field_validator", "model_validator")
        for decorator in node.decorator_list
    )


def last_name(node: ast.AST) -> str:
    """Return `b` for both `a.b` and `b`; nothing for a call or a subscript."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def reads(node: ast.AST, owner: str = "") -> Iterator[tuple[str, str]]:
    """Collect (last name of the object, attribute) of every attribute read, except in validators.

    Instead of `self` it is the name of the class.
    """
    if is_validator(node):
        return
    if isinstance(node, ast.ClassDef):
        owner = node.name
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
        name = last_name(node.value)
        yield owner if name == "self" and owner else name, node.attr
    if isinstance(node, ast.Call) and last_name(node.func) == "getattr":
        name = node.args[1]
        if isinstance(name, ast.Constant):
            yield last_name(node.args[0]), name.value
    for child in ast.iter_child_nodes(node):
        yield from reads(child, owner)


READS = {
    read
    for package in ("orchestrator", "workers")
    for file in (ROOT / package).rglob("*.py")
    for read in reads(ast.parse(file.read_text()))
}
FIELDS = sorted({(place, name) for place, name, _ in fields(MetaConfig)})


def classes(place: str, name: str) -> set[str]:
    """Return the sections that have the field, and their bases, which read it by `self`."""
    field = MetaConfig.model_fields.get(place)
    result = (
        [item for item in sections(field.annotation) if name in item.model_fields] if field else []
    )
    return {base.__name__ for item in result for base in item.__mro__}


@pytest.mark.parametrize(("place", "name"), FIELDS, ids=map(".".join, FIELDS))
def test_a_setting_is_read(place, name):
    """Return whether a field is read: as section.field, on a variable, or by the section itself."""
    by = {place, *ALIASES, *classes(place, name)}
    assert any(attribute == name and of in by for of, attribute in READS)


def test_the_test_above_can_fail():
    assert ("task", "shots") in READS
    assert ("algorithm", "inner_batch") in READS
    assert ("Differentiated", "multi_step") in READS
    assert "Differentiated" in classes("algorithm", "multi_step")
    assert not any(attribute == "colour" for _, attribute in READS)
    assert list(reads(ast.parse("@field_validator('a')\ndef f(self): return self.a"))) == []
    assert ("outer", "clip_norm") in FIELDS


def test_a_setting_says_what_it_is_and_whether_it_changes_the_weights():
    for place, name, field in fields(MetaConfig):
        if name == "kind":
            assert len(get_args(field.annotation)) == 1
            continue
        assert field.description, f"{place}.{name}"
        assert field.json_schema_extra["bits"] in (True, False), f"{place}.{name}"


def test_a_number_has_a_range():
    for place, name, field in fields(MetaConfig):
        if field.annotation in (int, float, int | None, float | None):
            assert field.metadata, f"{place}.{name}"
