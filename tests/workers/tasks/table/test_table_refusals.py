"""Tables and splits that make no tasks, each refused with the reason."""

import numpy as np
import pytest
from small_table_families import DRAW, SPLIT, rows_of, table_family_maker
from small_tables import LEVELS, SENSORS, changed

from workers.tasks.splits import SPLITS
from workers.wire.errors import DataError
from workers.wire.protocol import Draw


@pytest.fixture
def make(tmp_path):
    """A family over five sensors of eight rows, split as in SPLIT."""
    return table_family_maker(tmp_path)


def test_tasks_with_few_rows_are_refused_by_name_or_left_out(make):
    """Which tasks are for testing does not hang on that."""
    few = {name: column[:-5] for name, column in SENSORS.items()}
    family = make(few)
    assert family.sample(DRAW, 0, 1, 2, 3)
    message = "the task 'e' has 3 rows, shots and queries need 5 .1 of 1 tasks are too small.*leave"
    with pytest.raises(DataError, match=message):
        family.sample(Draw(0, "test", 0), 0, 1, 2, 3)
    with pytest.raises(DataError, match=r"need 9 .*; lower shots or queries$"):
        family.sample(Draw(0, "test", 0), 0, 1, 4, 5)
    with pytest.raises(DataError, match=r"none of 5 or more rows is left for test: every split"):
        make(few, small_tasks="leave_out")
    split = {"train": ["a", "b"], "validation": ["c"], "test": ["d", "e"]}
    family = make(few, split, small_tasks="leave_out")
    drawn = rows_of(family.sample(Draw(0, "test", 0), 0, 20, 2, 3))
    assert set(np.array(SENSORS["sensor"])[drawn].ravel()) == {"d"}
    assert family.describe()["tasks_left_out"] == 1
    assert family.protocol("test")["different_tasks"] == 1
    with pytest.raises(DataError, match=r"'d' has 8 rows.* need 9 .*; lower evaluation.shots"):
        family.sample(Draw(0, "test", 0), 0, 1, 4, 5)


def test_a_task_without_a_class_is_told(make):
    one_sided = {**LEVELS, "level": [*LEVELS["level"][:-8], *["low"] * 8]}
    family = make(one_sided, shots=1, queries=2)
    with pytest.raises(DataError, match="the task 'e' has 0 rows of class 'high'"):
        family.sample(Draw(0, "test", 0), 0, 1, 1, 2)


@pytest.mark.parametrize(
    ("split", "changes", "message"),
    [
        ({**SPLIT, "test": ["e", "a"]}, {}, "'a' is listed in 'train' and in 'test'; list each"),
        ({**SPLIT, "test": ["f"]}, {}, "'test' lists 'f', which is not in the source; its 5 tasks"),
        ({**SPLIT, "test": []}, {}, r"has 5 tasks .*'sensor'\), and none is left for test"),
        (None, {"train_tasks": 5}, "task.train_tasks = 5 .* but the source has 5 tasks; lower"),
        (None, {"train_tasks": 4, "validation_tasks": 1}, "and none is left for test: every split"),
    ],
)
def test_a_wrong_split_is_told(make, split, changes, message):
    with pytest.raises(DataError, match=message):
        make(split=split, **changes)


def test_tasks_fewer_than_splits_are_refused_and_as_many_are_one_each(make):
    two, three = ({name: c[: 8 * n] for name, c in SENSORS.items()} for n in (2, 3))
    with pytest.raises(DataError, match=r"only 2 tasks to split"):
        make(two, None)
    described = make(three, None).describe()
    assert [described[f"{split}_tasks"] for split in SPLITS] == [1, 1, 1]


@pytest.mark.parametrize(
    ("columns", "changes", "message"),
    [
        (
            SENSORS,
            {"task_column": "site"},
            r"no column 'site' \(task.task_column\); it has",
        ),
        (SENSORS, {"target_column": "y"}, r"no column 'y' \(task.target_column\); it has"),
        (changed(SENSORS, "sensor", 4, None), {}, "row 4 has no 'sensor'"),
        (changed(SENSORS, "sensor", 4, ""), {"name": "a.csv"}, "row 4 has no 'sensor'"),
        (changed(SENSORS, "ppm", 4, None), {"name": "a.csv"}, "row 4 has no 'ppm'"),
        (
            {**SENSORS, "ppm": [3.0] * 40},
            {},
            "'ppm' is 3 in every row .*choose another task.target",
        ),
        (changed(SENSORS, "reading", 39, 1e300), {}, "row 39 has 'reading' = 1e.300, too far"),
    ],
)
def test_a_wrong_table_is_told(make, columns, changes, message):
    with pytest.raises(DataError, match=message) as caught:
        make(columns, **changes)
    assert "\n" not in str(caught.value)
    assert "a.csv" in str(caught.value) or "a.parquet" in str(caught.value)


def test_a_target_of_which_no_value_recurs_is_no_class(make):
    such = {**SENSORS, "ppm": [f"{i} kg" for i in range(40)]}
    with pytest.raises(DataError, match="holds 40 different texts in 40 rows, such as '0 kg'"):
        make(such)


def test_a_unit_of_each_task_needs_numbers_and_two_rows_or_more(make):
    with pytest.raises(DataError, match=r"'per_task' is for numbers, but 'level' of .* classes"):
        make({**SENSORS, "level": [str(i % 2) + "a" for i in range(40)]}, target_scaling="per_task")
    family = make(target_scaling="per_task")
    family.sample(DRAW, 0, 2, 2, 3)
    with pytest.raises(ValueError, match=r"^evaluation\.shots = 1 with task\.target_scaling = "):
        family.sample(DRAW, 0, 2, 1, 3)
