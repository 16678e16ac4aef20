"""What benchmarks/house.py counts, and that it can count."""

import ast
from pathlib import Path

import house
import pytest


def test_no_code_asks_which_kind_it_has_to_do_with():
    assert house.branches_on_kind() == []


def test_no_file_imports_one_that_imports_it():
    assert house.circles_of_files() == []


@pytest.mark.parametrize("sort", house.touched())
def test_an_addition_touches_a_file_and_a_registry(sort):
    assert len(house.touched()[sort]) <= house.MOST_TOUCHED.get(sort, 2)


@pytest.mark.parametrize(
    ("code", "is_branch"),
    [
        ("config.model.kind == 'keras'", True),
        ("task.kind in ENVIRONMENTS", True),
        ("table.get('algorithm.kind') == 'joint'", True),
        ("kind in ('maml', 'anil')", True),
        ("READERS[config.task.kind]", True),
        ("READERS.get(task.kind)", True),
        ("isinstance(task, GymTask)", True),
        ("isinstance(task, EnvironmentTask)", True),
        ("block.kind == 'train'", False),
        ("config.task.acts", False),
        ("isinstance(task, dict)", False),
    ],
)
def test_a_branch_is_told_from_what_is_none(code, is_branch):
    kinds, records = house._records()
    assert house._is_branch(ast.parse(code, mode="eval").body, kinds, records) == is_branch


def test_circles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}, "e": {"f"}, "f": {"e"}, "g": {"g"}}
    assert house.circles(graph) == [["a", "b", "c"], ["e", "f"]]


def test_imports_within_functions_and_for_type_checkers_do_not_count():
    file = Path(house.ROOT, "workers", "algorithms", "maml.py")
    found = house.imports_of(file)
    assert "workers/algorithms/inner_loop.py" in found
    assert "workers/inner.py" not in found
