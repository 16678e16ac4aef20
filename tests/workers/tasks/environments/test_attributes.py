"""New values for the attributes of environments."""

import numpy as np
import pytest

from workers.tasks.environments.attributes import like, replaces


@pytest.mark.parametrize(
    ("value", "current", "fits"),
    [
        (1.5, 2, True),
        (1, np.float32(2), True),
        (float("inf"), 2, False),
        ("1", 2, False),
        (1, True, False),
        ("ant", "bee", True),
        ([1, 2.5], np.zeros(2), True),
        ([1, 2.5], (0, 0), True),
        ([1, 2.5], [0, 0], True),
        ([1, 2, 3], np.zeros(2), False),
        ([[1], [2, 3]], np.zeros(2), False),
        ([1, 2], 3.0, False),
        ([1, 2], None, False),
        (1.0, np.zeros(2), False),
    ],
)
def test_a_value_replaces_one_of_its_kind(value, current, fits):
    assert replaces(value, current) == fits


def test_a_list_becomes_what_was_there_and_keeps_its_fractions():
    value = [1, 2.5]
    array = like(np.zeros(2, int), value)
    assert array.tolist() == [1, 2.5]
    assert like(np.zeros(2, np.float32), value).dtype == np.float32
    assert like((0, 0), value) == (1, 2.5)
    assert like(None, 3.0) == 3.0
    copied = like([0, 0], value)
    copied[0] = 9
    assert value == [1, 2.5]
