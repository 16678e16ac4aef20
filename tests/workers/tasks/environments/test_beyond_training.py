"""Tests that ask beyond what was trained, and what is said of those that do not."""

import pytest
from small_gym_families import task_of

from workers.tasks.environments.gym import GymFamily
from workers.wire.protocol import Draw

pytest.importorskip("gymnasium")


def all_of(family, split, number=50):
    return family.sample(Draw(0, split, 0), 0, number, 0, 0)


@pytest.mark.parametrize("way", ["train", "uniform", "loguniform"])
def test_a_test_asks_beyond_what_was_trained(way):
    vary = {"steepness": {way: [0.5, 1.0], "test": [2.0, 3.0]}}
    family = GymFamily(task_of("small_gym:Slope", vary=vary))
    bounds = {"train": (0.5, 1.0), "validation": (0.5, 1.0), "test": (2.0, 3.0)}
    for split, (low, high) in bounds.items():
        values = all_of(family, split)["varied/steepness"]
        assert ((values >= low) & (values < high)).all()
    told = family.protocol("test")["steepness"]
    assert told.startswith("0.5 to 1 in training and validation, 2 to 3 in test")
    assert told == family.protocol("train")["steepness"]


def test_validation_has_a_range_of_its_own_if_it_is_given():
    vary = {"steepness": {"train": [0, 1], "validation": [1, 2], "test": [2, 3]}}
    family = GymFamily(task_of("small_gym:Slope", vary=vary))
    assert (all_of(family, "validation")["varied/steepness"] >= 1).all()
    told = family.protocol("test")["steepness"]
    assert told == "0 to 1 in training, 1 to 2 in validation, 2 to 3 in test"


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({"vary": {"steepness": {"choice": [0, 1, 2]}}}, "test tasks are the 3 tasks of training"),
        ({"vary": {"steepness": {"choice": [0, 1, 2]}}, "split": False}, ""),
        ({"vary": {"steepness": {"choice": [0, 1, 2]}}, "split": True}, ""),
        ({"vary": {"steepness": {"choice": [0, 1]}}}, ""),  # which cannot be split
        (
            {"vary": {"steepness": {"choice": [0, 1, 2]}, "friction": {"uniform": [0, 1]}}},
            "",
        ),
        ({"vary": {"steepness": {"train": [0, 1], "test": [1, 2]}}}, ""),
        (
            {"vary": {"steepness": {"train": [0, 1], "test": [0.5, 2]}}},
            r"steepness: test = [0.5, 2] and the training range [0, 1] overlap",
        ),
        (
            {"vary": {"steepness": {"train": [0, 1], "test": [0.5, 1]}}},
            r"steepness: test = [0.5, 1] is inside the training range [0, 1]",
        ),
    ],
)
def test_a_test_that_asks_nothing_new_is_told(changes, note):
    notes = GymFamily(task_of("small_gym:Slope", **changes)).notes()
    assert len(notes) == bool(note)
    assert all(note in each for each in notes)
