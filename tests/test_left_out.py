"""The mark `quick`: the other cases of a test are slow."""

from types import SimpleNamespace

import pytest
from left_out import mark_all_but_quick


class Case:
    """A case of a test that pytest has collected."""

    def __init__(self, case, *quick):
        self.nodeid, self.callspec = f"a.py::test[{case}]", SimpleNamespace(id=case)
        self._quick, self.marks = pytest.mark.quick(*quick).mark if quick else None, []

    def get_closest_marker(self, name):
        return self._quick if name == "quick" else None

    def add_marker(self, mark):
        self.marks.append(mark.name)


def test_the_cases_that_are_not_named_are_slow():
    named, other, unmarked = Case("a", "a"), Case("b", "a"), Case("c")
    mark_all_but_quick([named, other, unmarked])
    assert [item.marks for item in (named, other, unmarked)] == [[], ["slow"], []]


def test_a_case_that_there_is_not_is_an_error():
    with pytest.raises(pytest.UsageError, match=r"a.py::test is marked quick for \['d'\]: no such"):
        mark_all_but_quick([Case("a", "d"), Case("b", "d")])
    mark_all_but_quick([Case("b", "a")])  # one case was asked for by its name
