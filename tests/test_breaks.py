"""benchmarks/suite/breaks.py and its data: valid breaks, and what counts as caught."""

import random
from collections import Counter
from pathlib import Path

import breaks
import pytest
from breaks import ROOT, Break, Outcome, Which, faults, judge_all, read_breaks, table

BREAKS = read_breaks()
CODE = "def double(x):\n    return 2 * x\n"
TESTS = "from small import double\n\ndef test_double():\n    assert double(3) == 6\n"


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """A tree of one module and one test, which needs no plugins."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setattr(breaks, "LIBRARIES", ())
    root = tmp_path / "tree"
    root.mkdir()
    (root / "small.py").write_text(CODE)
    (root / "test_small.py").write_text(TESTS + "\ndef test_nothing():\n    pass\n")
    (root / "pytest.ini").write_text("[pytest]\n")
    return root


def broken(new, tests="test_small.py::test_double", old="2 * x", name="a"):
    return Break(name, "room", "small.py", old, new, (tests,))


def test_every_break_changes_one_place_and_lists_tests_that_are_there():
    assert faults(ROOT, BREAKS) == []
    named = {tuple(test.split("::")) for item in BREAKS for test in item.tests if "::" in test}
    missing = [
        (file, name)
        for file, name in named
        if f"def {name.partition('[')[0]}(" not in Path(ROOT, file).read_text()
    ]
    assert missing == []


def test_breaks_are_spread_over_the_rooms():
    rooms = Counter(item.room for item in BREAKS)
    assert len(BREAKS) >= 66
    assert max(rooms.values()) <= 4
    assert all(item.file.startswith(("orchestrator/", "workers/")) for item in BREAKS)
    for item in BREAKS:  # it is wrong in what it does, not in how it is written
        content = Path(ROOT, item.file).read_text()
        compile(content.replace(item.old, item.new), item.file, "exec")


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        (broken("3 * x", old="4 * x"), "a: small.py holds `old` 0 times"),
        (broken("y", old="x"), "a: small.py holds `old` 2 times"),
        (broken("2 * x"), "a: changes nothing, or lists no test"),
        (broken("3 * x", "test_other.py"), "a: no test_other.py"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_break_that_cannot_be_made_is_refused(tree, change, wrong):
    assert faults(tree, [change]) == [wrong]
    with pytest.raises(ValueError, match="a: "):
        judge_all(tree, [change])


def test_two_breaks_of_one_name_are_refused(tree):
    assert faults(tree, [broken("3 * x")] * 2) == ["the name a occurs 2 times"]


def test_a_break_is_caught_by_a_test_that_fails_and_by_nothing_else(tree):
    changes = [
        broken("3 * x", name="wrong"),
        broken("x + x", name="right"),
        broken("2 * x +", name="syntax"),
        broken("2 * x\nraise KeyError", name="import"),
    ]
    messages = []
    outcomes = judge_all(tree, changes, workers=2, say=messages.append)
    assert [
        (found.kind, found.test, found.why.partition(" (")[0]) for found in outcomes.values()
    ] == [
        ("caught", "test_small.py::test_double", ""),
        ("survived", "", ""),
        ("error", "", "small cannot be imported: SyntaxError: invalid syntax"),
        ("error", "", "small cannot be imported: KeyError: "),
    ]
    assert str(outcomes["wrong"]).startswith("caught by test_small.py::test_double after ")
    assert str(outcomes["right"]).startswith("SURVIVED after ")
    assert str(outcomes["import"]).startswith("ERROR: small cannot be imported: KeyError")
    assert len(messages) == 5
    assert messages[-1].startswith("4/4 ")
    assert (tree / "small.py").read_text() == CODE


@pytest.mark.parametrize("name", ["test_not_there", "test_fails"])
def test_tests_that_do_not_pass_without_a_break_say_nothing(tree, name):
    with (tree / "test_small.py").open("a") as file:
        file.write("\ndef test_fails():\n    assert double(1) == 1\n")
    with pytest.raises(ValueError, match="without any break: "):
        judge_all(tree, [broken("3 * x", f"test_small.py::{name}")])


def test_code_from_elsewhere_is_not_taken_for_the_copys(tree):
    (tree / "small.py").rename(tree.parent / "small.py")
    (tree / "conftest.py").write_text(f"import sys\nsys.path.insert(0, {str(tree.parent)!r})\n")
    with breaks.copies(tree, 1) as free:
        outcome = breaks.run_tests(free.get(), ["test_small.py"], ["small"])
    assert outcome.kind == "error"
    assert outcome.why == f"small is imported from {tree.parent / 'small.py'}"


def test_a_test_that_hangs_catches_nothing(tree, monkeypatch):
    monkeypatch.setitem(breaks._LIMIT_S, Which.LISTED, 3.0)
    outcome = judge_all(tree, [broken("exec('while True: pass')")])["a"]
    assert (outcome.kind, outcome.why) == ("error", "no test has failed within 3 s")


def test_the_quick_tests_alone_let_pass_what_a_slow_one_catches(tree):
    text = (tree / "test_small.py").read_text()
    (tree / "test_small.py").write_text(f"import pytest\npytestmark = pytest.mark.slow\n{text}")
    results = [judge_all(tree, [broken("3 * x")], which)["a"].kind for which in Which]
    assert dict(zip(Which, results, strict=True)) == {
        Which.LISTED: "caught",
        Which.LISTED_QUICK: "survived",
        Which.QUICK: "survived",
        Which.ALL: "caught",
    }


def test_outcomes_are_a_table():
    results = {"a": Outcome("caught", 4.2, "tests/workers/test_x.py::test_y[a/b|c]")}
    assert table([broken("3 * x")], results) == (
        "| break | room | caught by | after |\n|---|---|---|---|\n"
        "| a | room | `test_x.py::test_y` | 4 s |\n"
    )


@pytest.mark.slow
def test_a_sample_of_ten_is_caught():
    sample = random.Random(0).sample(BREAKS, 10)
    outcomes = judge_all(ROOT, sample)
    assert {name: str(found) for name, found in outcomes.items() if found.kind != "caught"} == {}
