"""The cost of a new kind; see benchmarks/suite/house_kinds.py."""

import ast

import house_kinds
import pytest


def test_no_code_asks_which_kind_it_has_to_do_with():
    assert house_kinds.branches_on_kind() == []


@pytest.mark.parametrize("sort", house_kinds.touched())
def test_an_addition_touches_a_file_and_a_registry(sort):
    assert len(house_kinds.touched()[sort]) <= house_kinds.MOST_TOUCHED.get(sort, 2)


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
    kinds, records = house_kinds._records()
    assert house_kinds._is_branch(ast.parse(code, mode="eval").body, kinds, records) == is_branch
