import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.tasks.table.row_groups import RowGroups, numbered
from workers.wire.errors import DataError

TASKS = ["b", "a", "b", "c", "a", "b"]
CLASSES = np.array([1, 0, 0, 1, 1, 1], np.int32)


def values(parts):
    return [[part.tolist() for part in task] for task in parts]


def test_rows_are_grouped_by_task_in_their_order():
    groups = RowGroups.of("t.csv", TASKS, None, None)
    assert groups.names == ["a", "b", "c"]
    assert values(groups.rows) == [[[1, 4]], [[0, 2, 5]], [[3]]]
    assert groups.fewest.tolist() == [2, 3, 1]


def test_rows_of_a_task_are_grouped_by_class():
    groups = RowGroups.of("t.csv", TASKS, CLASSES, ["no", "yes"])
    assert values(groups.rows) == [[[1], [4]], [[2], [0, 5]], [[], [3]]]
    assert groups.fewest.tolist() == [1, 1, 0]
    assert groups.of_tasks([1, 2]).tolist() == [0, 2, 3, 5]
    assert groups.of_tasks([]).tolist() == []


def test_groups_of_random_rows_are_those_of_a_loop():
    rng = np.random.default_rng(0)
    tasks = [f"t{i}" for i in rng.integers(30, size=500)]
    classes = rng.integers(4, size=500).astype(np.int32)
    groups = RowGroups.of("t.csv", tasks, classes, list("wxyz"))
    for name, parts in zip(groups.names, groups.rows, strict=True):
        for c, part in enumerate(parts):
            expected = [i for i in range(500) if tasks[i] == name and classes[i] == c]
            assert part.tolist() == expected


def test_the_smallest_task_is_named_with_how_many_are_too_small():
    groups = RowGroups.of("t.csv", TASKS, None, None)
    groups.check(np.array([0, 1]), 2, "")
    with pytest.raises(DataError) as caught:
        groups.check(np.array([0, 1, 2]), 3, "lower it")
    assert str(caught.value) == (
        "t.csv: the task 'c' has 1 row, shots and queries need 3 (2 of 3 tasks are too small); "
        "lower it"
    )


def test_the_class_that_is_too_small_is_named():
    groups = RowGroups.of("t.csv", TASKS, CLASSES, ["no", "yes"])
    with pytest.raises(DataError, match="the task 'c' has 0 rows of class 'no', shots and"):
        groups.check(np.array([2]), 1, "")


@given(st.lists(st.text(max_size=4).map(lambda text: text.rstrip("\0")), min_size=1))
def test_texts_are_numbered_in_the_order_of_numpy(texts):
    names, places = numbered(texts)
    known, again = np.unique(np.array(texts), return_inverse=True)
    assert (names, places.tolist()) == (known.tolist(), again.tolist())


def test_a_long_name_costs_nothing_for_the_others():
    tracemalloc.start()
    numbered(["a" * 4000, *map(str, range(9999))])  # 160 MB as an array of numpy
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 10e6
