"""Finite sets of environments: their combinations, their split, and draws of them."""

import json
from itertools import combinations

import numpy as np
import pytest
from small_gym_families import task_of

from workers.settings.environments.gym_task import GymTask
from workers.tasks.environments.task_set import TaskSet
from workers.tasks.splits import SPLITS, split_hash
from workers.wire.errors import DataError
from workers.wire.protocol import Draw

#: Six combinations of two choices.
PAIRS = {"steepness": {"choice": [0.1, 0.2, 0.3]}, "friction": {"choice": [0, 1]}}
LISTED = tuple({"steepness": number / 10} for number in range(10))


def set_of(**changes):
    return TaskSet(task_of("small_gym:Slope", **changes))


def drawn(tasks, split, number, step=0, columns=0):
    return tasks.draw(Draw(0, split, step).generator(), split, number, columns)[0]


def test_the_set_is_the_product_of_all_choices():
    tasks = set_of(vary=PAIRS, split=True)
    assert tasks.names == [
        f"friction {friction}, steepness {steepness}"
        for friction in (0, 1)
        for steepness in (0.1, 0.2, 0.3)
    ]
    values = [tasks.values(i)[1] for i in range(6)]
    assert values[4] == {"friction": 1, "steepness": 0.2}
    assert len({tuple(sorted(each.items())) for each in values}) == 6


def test_environments_are_combined_with_choices():
    listed = ({"id": "CartPole-v1", "gravity": 9.0}, {"id": "b:C", "goal": [0.5, 1]})
    vary = {"force_mag": {"choice": [1, 2]}}
    tasks = TaskSet(GymTask(environments=listed, vary=vary, split=False))
    assert tasks.names == [
        "CartPole-v1, force_mag 1, gravity 9",
        "CartPole-v1, force_mag 2, gravity 9",
        "b:C, force_mag 1, goal [0.5, 1]",
        "b:C, force_mag 2, goal [0.5, 1]",
    ]
    assert tasks.values(3) == ("b:C", {"goal": [0.5, 1], "force_mag": 2})


def test_a_task_without_values_is_named_by_its_environment():
    listed = ({"id": "a:B"}, {"id": "a:B", "g": 1})
    assert TaskSet(GymTask(environments=listed, split=False)).names == ["a:B", "g 1"]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (8.0, "goal 8"),
        (8.125, "goal 8.125"),
        (1e300, "goal 1e+300"),
        ("left", "goal left"),
        ([0.3, 4.0], "goal [0.3, 4]"),
        (True, "goal true"),
        ({"b": 1, "a": [2]}, 'goal {"a": [2], "b": 1}'),
    ],
)
def test_a_task_is_named_by_its_values(value, name):
    assert set_of(environments=({"goal": value},), split=False).names == [name]


@pytest.mark.parametrize(
    ("changes", "sizes"),
    [
        ({}, [6, 2, 2]),
        ({"split_shares": (0.3, 0.3, 0.4)}, [3, 3, 4]),
        ({"test_tasks": 5}, [4, 1, 5]),
        ({"test_tasks": 8}, [1, 1, 8]),
        ({"train_tasks": 8}, [8, 1, 1]),
        ({"train_tasks": 4, "validation_tasks": 2}, [4, 2, 4]),
        ({"validation_tasks": 6, "split_shares": (0.8, 0.1, 0.1)}, [3, 6, 1]),
        ({"train_tasks": 2, "validation_tasks": 1, "test_tasks": 3}, [2, 1, 3]),
        ({"split": False}, [10, 10, 10]),
    ],
)
def test_a_list_is_split_by_shares_or_by_counts(changes, sizes):
    splits = set_of(environments=LISTED, **changes).splits
    assert [len(splits[split]) for split in SPLITS] == sizes
    for one, other in combinations(SPLITS, 2):
        assert set(splits[one]).isdisjoint(splits[other]) == (changes.get("split") is not False)


@pytest.mark.parametrize("key", ["split", "split_seed", "test_tasks", "split_shares"])
def test_choices_are_split_where_a_setting_says_so(key):
    values = {"split": True, "split_seed": 0, "test_tasks": 1, "split_shares": (0.4, 0.3, 0.3)}
    assert not task_of("a:B", vary=PAIRS).is_split
    assert task_of("a:B", vary=PAIRS, **{key: values[key]}).is_split


def test_another_seed_splits_otherwise_and_the_order_of_a_list_does_not_matter():
    def tested(listed, **changes):
        tasks = set_of(environments=listed, **changes)
        return {tasks.names[i] for i in tasks.splits["test"]}, tasks.hash

    assert tested(LISTED) == tested(LISTED[::-1]) == tested(LISTED, split_seed=0)
    assert tested(LISTED)[0] != tested(LISTED, split_seed=1)[0]
    assert tested(LISTED)[1] != tested(LISTED, split_seed=1)[1]


def test_the_hash_is_that_of_the_names():
    tasks = set_of(vary=PAIRS, split=True)
    assert tasks.hash == split_hash(tasks.names, tasks.splits)
    assert set_of(environments=LISTED, split=False).hash == ""


def test_a_file_lists_the_tasks_of_each_split(tmp_path):
    file = tmp_path / "split.json"
    names = {
        "train": ["friction 0, steepness 0.1", "friction 0, steepness 0.3"],
        "validation": ["friction 1, steepness 0.2"],
        "test": ["friction 1, steepness 0.1"],
    }
    file.write_text(json.dumps(names))
    tasks = set_of(vary=PAIRS, split_file=str(file))
    assert {s: [tasks.names[i] for i in tasks.splits[s]] for s in SPLITS} == names
    file.write_text(json.dumps({**names, "test": ["friction 2, steepness 0.1"]}))
    with pytest.raises(DataError, match=r"lists 'friction 2, .*its 6 tasks are named like"):
        set_of(vary=PAIRS, split_file=str(file))
    file.write_text(json.dumps({**names, "test": []}))
    with pytest.raises(DataError, match="leaves no task for test of 6"):
        set_of(vary=PAIRS, split_file=str(file))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        (
            {"vary": {"friction": {"choice": [0, 1]}}, "split": True},
            "have 2 tasks to split, .*split = false",
        ),
        (
            {"vary": PAIRS, "test_tasks": 5, "train_tasks": 4},
            r"task.train_tasks = 4 .*task.test_tasks = 5 is 10, but the source has 6 tasks",
        ),
        (
            {"environments": [*LISTED, {"steepness": 0}]},
            "the task 'steepness 0' is 2 times in task.environments and task.vary",
        ),
        (
            {"vary": {name: {"choice": list(range(400))} for name in ("a", "b")}, "split": True},
            "160,000 combinations; a set of tasks has 100,000 at most",
        ),
    ],
)
def test_a_set_that_does_not_fit_its_split_is_refused(changes, error):
    with pytest.raises(DataError, match=error):
        set_of(**changes)


def test_training_tasks_are_drawn_with_equal_probability_from_those_of_training():
    tasks = set_of(environments=LISTED)
    values, counts = np.unique(drawn(tasks, "train", 6000), return_counts=True)
    np.testing.assert_array_equal(values, tasks.splits["train"])
    np.testing.assert_allclose(counts, 1000, atol=120)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_tasks_take_turns(split):
    tasks = set_of(environments=LISTED, train_tasks=3, validation_tasks=3, test_tasks=4)
    size = len(tasks.splits[split])
    picks = drawn(tasks, split, 2 * size + 1)
    assert set(picks) == set(picks[:size]) == set(tasks.splits[split])
    np.testing.assert_array_equal(picks[:size], picks[size : 2 * size])
    orders = {tuple(drawn(tasks, split, size, step)) for step in range(8)}
    assert len(orders) > 1


@pytest.mark.parametrize("split", SPLITS)
def test_the_first_draws_do_not_depend_on_how_many_there_are(split):
    tasks = set_of(environments=LISTED)
    few, unit = tasks.draw(Draw(0, split, 3).generator(), split, 3, 2)
    many, units = tasks.draw(Draw(0, split, 3).generator(), split, 9, 2)
    np.testing.assert_array_equal(few, many[:3])
    np.testing.assert_array_equal(unit, units[:3])
