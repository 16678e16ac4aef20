import json

import numpy as np
import pytest

from workers.settings.images_task import ImagesTask
from workers.settings.table_task import TableTask
from workers.settings.text_tasks import MatchingTask
from workers.tasks.splits import SPLITS, choose_ways, split_hash, split_names
from workers.wire.errors import DataError

NAMES = [f"c{index:03}" for index in range(100)]


def sizes(splits):
    return [len(splits[split]) for split in SPLITS]


def write_split(tmp_path, content):
    file = tmp_path / "split.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return ImagesTask(split_file=str(file))


def test_splits_are_disjoint_ascending_and_cover_all_classes():
    splits = split_names(NAMES, ImagesTask())
    joined = [index for split in SPLITS for index in splits[split].tolist()]
    assert sorted(joined) == list(range(100))
    assert all(splits[split].tolist() == sorted(splits[split].tolist()) for split in SPLITS)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, [64, 16, 20]),
        ({"train_classes": 50}, [50, 16, 34]),
        ({"train_classes": 50, "validation_classes": 50}, [50, 50, 0]),
        ({"test_classes": 5}, [64, 16, 5]),
        ({"train_classes": 1, "validation_classes": 1, "test_classes": 98}, [1, 1, 98]),
    ],
)
def test_counts_are_those_set_else_64_and_16_percent_and_the_rest(changes, expected):
    assert sizes(split_names(NAMES, ImagesTask(**changes))) == expected


@pytest.mark.parametrize("num_classes", range(3, 30))
def test_shares_of_few_classes_fit(num_classes):
    assert sum(sizes(split_names(NAMES[:num_classes], ImagesTask()))) == num_classes


@pytest.mark.parametrize(
    ("shares", "number", "expected"),
    [
        ([0.7, 0.15, 0.15], 100, [70, 15, 15]),
        ([0.5, 0.25, 0.25], 10, [5, 3, 2]),
        ([0.6, 0.15, 0.25], 10, [6, 2, 2]),
        ([0.64, 0.16, 0.2], 25, [16, 4, 5]),
    ],
)
def test_a_split_gets_its_share_where_no_number_is_set(shares, number, expected):
    assert sizes(split_names(NAMES[:number], ImagesTask(split_shares=shares))) == expected


@pytest.mark.parametrize(
    "shares", [[0.7, 0.3, 0], [0.7, 0.2, 0.2], [0.5, 0.2, 0.2], [70, 15, 15], [1.2, -0.1, -0.1]]
)
def test_shares_that_are_none_are_refused(shares):
    with pytest.raises(ValueError, match="three numbers above 0 that add up to 1"):
        ImagesTask(split_shares=shares)


@pytest.mark.parametrize(
    ("number", "changes", "expected"),
    [
        (15, {}, [5, 5, 5]),
        (20, {}, [10, 5, 5]),
        (40, {}, [26, 6, 8]),
        (12, {}, [4, 4, 4]),  # too few: the family says for how many there are enough
        (20, {"test_classes": 4}, [11, 5, 4]),
        (20, {"train_classes": 12}, [12, 4, 4]),
        (20, {"train_classes": 8, "validation_classes": 2, "test_classes": 2}, [8, 2, 2]),
    ],
)
def test_a_share_too_small_for_a_task_is_raised_where_no_number_is_set(number, changes, expected):
    splits = split_names(NAMES[:number], ImagesTask(**changes), "classes", (5, 5, 5))
    assert sizes(splits) == expected


def test_three_groups_of_rows_are_one_for_each_split():
    settings = TableTask(path="a", task_column="b", target_column="c")
    assert sizes(split_names(NAMES[:3], settings, "tasks")) == [1, 1, 1]


def test_a_task_is_of_five_classes_or_of_as_many_as_every_split_has():
    available = {"train": 20, "validation": 5, "test": 7}
    assert choose_ways(None, available) == 5
    assert choose_ways(None, {**available, "test": 3}) == 3
    assert choose_ways(4, available) == 4
    with pytest.raises(DataError, match=r"task\.ways = 6, but the validation split has 5 classes"):
        choose_ways(6, available)
    with pytest.raises(DataError, match=r"the test split has 3 .* lower task\.ways to 3 or fewer"):
        choose_ways(6, {"train": 4, "validation": 5, "test": 3})
    with pytest.raises(DataError, match="the test split has 1 of the source's classes"):
        choose_ways(None, {**available, "test": 1})


def test_only_the_splits_that_need_it_must_have_as_many_classes_as_requested():
    available = {"train": 20, "validation": 5, "test": 7}
    assert choose_ways(20, available, needed=("train",)) == 20
    assert choose_ways(None, available, needed=("train",)) == 5
    with pytest.raises(DataError, match=r"task\.ways = 21, but the train split has 20 classes"):
        choose_ways(21, available, needed=("train",))


def test_too_few_classes_to_be_split_are_refused():
    with pytest.raises(DataError, match=r"only 2 classes to split; .* 3 or more"):
        split_names(NAMES[:2], ImagesTask())
    settings = MatchingTask(path="a", test_path="b", train_domains=1, validation_domains=1)
    assert sizes(split_names(NAMES[:2], settings, "domains")) == [1, 1, 0]


def test_the_split_of_a_seed_never_changes():
    splits = split_names(NAMES, ImagesTask())
    assert splits["validation"].tolist() == [
        10,
        16,
        24,
        29,
        30,
        35,
        40,
        53,
        63,
        75,
        79,
        81,
        92,
        95,
        96,
        99,
    ]
    assert split_hash(NAMES, splits) == (
        "6bdfbe000528810e18e12129e80027fa1c5663ed89c9152451fff75538ddb631"
    )


def test_another_seed_is_another_split():
    hashes = {
        split_hash(NAMES, split_names(NAMES, ImagesTask(split_seed=seed))) for seed in range(5)
    }
    assert len(hashes) == 5


def test_more_test_classes_leave_training_and_validation_as_they_are():
    few = split_names(NAMES, ImagesTask(test_classes=5))
    many = split_names(NAMES, ImagesTask(test_classes=20))
    assert few["train"].tolist() == many["train"].tolist()
    assert few["validation"].tolist() == many["validation"].tolist()


def test_too_many_classes_are_refused_naming_keys_values_and_limit():
    with pytest.raises(DataError) as caught:
        split_names(NAMES, ImagesTask(train_classes=90, test_classes=1))
    assert str(caught.value) == (
        "task.train_classes = 90 + task.validation_classes = 16 (unset) + task.test_classes = 1 "
        "is 107, but the source has 100 classes; lower or set them to 100 or fewer in total"
    )


def test_a_split_file_is_followed_whatever_its_order(tmp_path):
    listed = {"test": ["c007"], "train": ["c050", "c003"], "validation": ["c001"]}
    splits = split_names(NAMES, write_split(tmp_path, listed))
    assert {split: splits[split].tolist() for split in SPLITS} == {
        "train": [3, 50],
        "validation": [1],
        "test": [7],
    }


def test_a_split_and_the_file_that_lists_it_have_one_hash(tmp_path):
    seeded = split_names(NAMES, ImagesTask())
    listed = {split: [NAMES[index] for index in seeded[split][::-1]] for split in SPLITS}
    from_file = split_names(NAMES, write_split(tmp_path, listed))
    assert split_hash(NAMES, from_file) == split_hash(NAMES, seeded)


def test_the_hash_is_over_names_in_order_whatever_order_they_are_listed_in():
    splits = {split: np.array([1, 0], np.int32) for split in SPLITS}
    turned = {split: indices[::-1] for split, indices in splits.items()}
    assert split_hash(NAMES, splits) == split_hash(NAMES, turned)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "holds list; expected"),
        ({"train": [], "test": []}, "holds 'train', 'test'; expected"),
        ({"train": [], "validation": [], "test": [], "dev": []}, "'dev'; expected"),
        ({"train": "c001", "validation": [], "test": []}, "'train' is not a list of names"),
        ({"train": [1], "validation": [], "test": []}, "'train' is not a list of names"),
        (
            {"train": ["x"], "validation": [], "test": []},
            "'train' lists 'x', which is not in the source",
        ),
        (
            {"train": ["c001"], "validation": [], "test": ["c001"]},
            "'c001' is listed in 'train' and in 'test'",
        ),
        (
            {"train": ["c001", "c001"], "validation": [], "test": []},
            "'c001' is listed in 'train' and in 'train'",
        ),
    ],
)
def test_a_wrong_split_file_is_refused(tmp_path, content, message):
    with pytest.raises(DataError, match=message) as caught:
        split_names(NAMES, write_split(tmp_path, content))
    assert "split.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_split_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"task\.split_file .*none\.json: cannot be read"):
        split_names(NAMES, ImagesTask(split_file=str(tmp_path / "none.json")))
