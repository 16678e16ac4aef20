import re

import numpy as np
import pytest
from small_tables import LEVELS, SENSORS, changed, write_table

from workers.settings.table_task import TableTask
from workers.tasks.table.family import TableFamily
from workers.wire.errors import DataError
from workers.wire.protocol import Draw

DRAW = Draw(seed=3, split="train", step=7)


def family(tmp_path, columns, **changes):
    common = {"task_column": "sensor", "shots": 2, "queries": 3}
    common["target_column"] = "level" if "level" in columns else "ppm"
    path = write_table(tmp_path / "a.parquet", columns)
    return TableFamily(TableTask(**{"path": str(path), **common, **changes}))


def doubled(columns):
    return {name: cells * 2 for name, cells in columns.items()}


def rows_of(examples, targets):
    return {
        (*row.tolist(), *np.atleast_1d(y).tolist())
        for row, y in zip(examples, targets, strict=True)
    }


@pytest.mark.parametrize("columns", [SENSORS, LEVELS], ids=["values", "classes"])
def test_a_row_that_is_there_twice_is_never_in_support_and_query_of_a_task(tmp_path, columns):
    made = family(tmp_path, doubled(columns), shots=1, queries=2)
    episode = made.build(made.sample(DRAW, 0, 200, 1, 2))
    for task in range(200):
        support = rows_of(episode.support_inputs[task], episode.support_targets[task])
        query = rows_of(episode.query_inputs[task], episode.query_targets[task])
        assert not support & query
    assert made.notes()[0] == (
        "40 rows are copies of another of the same task: each counts once, and none is in support "
        "and query of one task"
    )


def test_a_table_with_copies_gives_the_tasks_of_one_without(tmp_path):
    one, other = (family(tmp_path, each) for each in (SENSORS, doubled(SENSORS)))
    first, second = (each.sample(DRAW, 0, 50, 2, 3) for each in (one, other))
    for name, rows in first.items():
        np.testing.assert_array_equal(rows, second[name])


def test_a_task_is_as_large_as_it_has_different_rows(tmp_path):
    with pytest.raises(DataError, match="has 8 different rows, shots and queries need 9"):
        family(tmp_path, doubled(SENSORS), queries=7).sample(DRAW, 0, 1, 2, 7)
    few = {name: [cells[0]] * 8 + cells[8:] for name, cells in SENSORS.items()}
    made = family(tmp_path, few, small_tasks="leave_out")
    assert made.describe()["tasks_left_out"] == 1


def test_rows_of_several_tasks_are_told(tmp_path):
    same = {name: cells[:8] * 5 for name, cells in SENSORS.items()} | {"sensor": SENSORS["sensor"]}
    assert family(tmp_path, same).notes()[0].startswith("8 rows are in several tasks (8 in several")


def test_rows_of_the_same_numbers_and_another_target_are_no_copies(tmp_path):
    columns = {**SENSORS, "reading": [1.0, 2.0] * 20, "humidity": [1.0, 2.0] * 20}
    assert family(tmp_path, columns).notes() == []


def scaled(columns, name, sensors, factor):
    cells = [
        cell * factor if sensor in sensors else cell
        for cell, sensor in zip(columns[name], columns["sensor"], strict=True)
    ]
    return {**columns, name: cells}


@pytest.mark.parametrize(
    ("name", "what", "times"), [("ppm", "target", "1e\\+06"), ("reading", "feature", "1e\\+05")]
)
def test_other_units_in_some_tasks_are_told(tmp_path, name, what, times):
    mixed = scaled(SENSORS, name, "bd", 1e5)
    (note,) = family(tmp_path, mixed).notes()
    assert re.match(f"the {what} {name!r} varies {times} times as much in one task as in", note)
    assert note.endswith("are their units the same?")
    assert family(tmp_path, scaled(SENSORS, name, "bd", 3)).notes() == []


def test_a_task_whose_target_is_always_the_same_is_in_no_other_unit(tmp_path):
    """Its standard deviation is a rounding error: of seven and a tenth, 9e-16."""
    columns = {name: cells[1:] for name, cells in SENSORS.items()}  # 7 rows of a: no power of two
    columns["ppm"] = [
        7.1 if sensor == "a" else cell
        for cell, sensor in zip(columns["ppm"], columns["sensor"], strict=True)
    ]
    constant = np.array([7.1] * columns["sensor"].count("a"))
    assert constant.std() > 0
    assert family(tmp_path, columns).notes() == []


def test_a_feature_that_hardly_varies_in_a_task_is_no_other_unit(tmp_path):
    steady = changed(SENSORS, "humidity", 0, 3.001)
    for row in range(1, 8):
        steady = changed(steady, "humidity", row, 3.0)
    assert family(tmp_path, steady).notes() == []


def test_a_target_of_a_few_whole_numbers_is_told_unless_it_is_said_what_it_is(tmp_path):
    columns = {**SENSORS, "ppm": [0, 1] * 20}
    assert family(tmp_path, columns).notes() == [
        "the target 'ppm' holds 2 different whole numbers (0, 1), and is predicted as a number; if "
        "they are classes: task.target=class (else task.target=value)"
    ]
    assert family(tmp_path, columns, target="value").notes() == []
    assert family(tmp_path, columns, target="class", shots=1, queries=1).notes() == []
