import pytest

from orchestrator.pool.deadlines import Deadlines


@pytest.fixture
def deadlines():
    return Deadlines(floor_s=2.0, unknown_s=300.0)


def test_what_was_never_measured_has_the_limit_that_is_given(deadlines):
    assert deadlines.limit_s("train", False, 4) == 300.0
    assert deadlines.limit_s("train", False, 4, unknown_s=20.0) == 20.0


def test_a_deadline_is_four_times_the_median_by_tasks_and_never_below_the_floor(deadlines):
    for seconds in (1.0, 3.0, 100.0):
        deadlines.note("train", False, 2, seconds)
    assert deadlines.limit_s("train", False, 2) == 12.0
    assert deadlines.limit_s("train", False, 1) == 6.0
    deadlines.note("add", False, 4, 1e-3)
    assert deadlines.limit_s("add", False, 4) == 2.0


def test_a_deadline_follows_what_is_measured_after_it_was_asked_for(deadlines):
    deadlines.note("train", False, 1, 1.0)
    assert deadlines.limit_s("train", False, 1) == 4.0
    for _ in range(2):
        deadlines.note("train", False, 1, 10.0)
    assert deadlines.limit_s("train", False, 1) == 40.0


def test_long_ago_does_not_count(deadlines):
    for seconds in [100.0] * 64 + [1.0] * 64:
        deadlines.note("train", False, 1, seconds)
    assert deadlines.limit_s("train", False, 1) == 4.0


def test_kinds_and_calls_that_compile_are_kept_apart(deadlines):
    deadlines.note("train", True, 1, 50.0)
    deadlines.note("train", False, 1, 1.0)
    assert deadlines.limit_s("train", True, 1) == 200.0
    assert deadlines.limit_s("train", False, 1) == 4.0
    assert deadlines.limit_s("evaluate", False, 1) == 300.0
