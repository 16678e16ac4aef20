import numpy as np
import pytest

from orchestrator.sweep.dimension import Dimension, holds

LOW_HIGH = [
    ({"uniform": [-2, 3]}, -2, 3),
    ({"loguniform": [1e-3, 0.1]}, 1e-3, 0.1),
    ({"quniform": [0.1, 0.7, 0.1]}, 0.1, 0.7),
    ({"randint": [2, 6]}, 2, 5),
]


def draws(dimension, num=4000):
    rng = np.random.default_rng(0)
    return [dimension.draw(rng) for _ in range(num)]


def kind_of(value):
    return next(iter(value))


@pytest.mark.parametrize(("given", "low", "high"), LOW_HIGH, ids=map(str, range(4)))
def test_draws_reach_from_one_end_to_the_other_and_no_further(given, low, high):
    values = draws(Dimension(**given))
    assert low <= min(values)
    assert max(values) <= high
    if kind_of(given) in ("quniform", "randint"):
        assert (min(values), max(values)) == (low, high)
    assert all(type(value) is (int if "randint" in given else float) for value in values)


@pytest.mark.parametrize("kind", ["choice", "grid"])
def test_each_value_of_a_choice_is_drawn_as_often(kind):
    values = draws(Dimension(**{kind: ["a", [1, 2], 3]}))
    for value in ("a", [1, 2], 3):
        assert values.count(value) / len(values) == pytest.approx(1 / 3, abs=0.03)


def test_uniform_is_uniform():
    counts, _ = np.histogram(draws(Dimension(uniform=(-2, 3))), 5, (-2, 3))
    assert counts / 4000 == pytest.approx(0.2, abs=0.03)


def test_loguniform_is_uniform_in_the_logarithm():
    logarithms = np.log10(draws(Dimension(loguniform=(1e-4, 1))))
    counts, _ = np.histogram(logarithms, 4, (-4, 0))
    assert counts / 4000 == pytest.approx(0.25, abs=0.03)


def test_quniform_gives_the_multiples_of_its_step():
    found = sorted(set(draws(Dimension(quniform=(0.5, 2, 0.5)))))
    assert found == [0.5, 1.0, 1.5, 2.0]


def test_randint_gives_whole_numbers_without_the_upper_end():
    assert sorted(set(draws(Dimension(randint=(2, 6))))) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("given", "extremes"),
    [
        ({"choice": ["a", 2]}, ["a", 2]),
        ({"grid": [3, 1, 2]}, [3, 1, 2]),
        ({"uniform": [-2, 3]}, [-2, 3]),
        ({"loguniform": [0.1, 3]}, [0.1, 3]),
        ({"quniform": [0, 6, 2]}, [0, 6]),
        ({"randint": [2, 6]}, [2, 5]),
    ],
)
def test_the_extremes_are_all_choices_or_the_ends_that_can_be_drawn(given, extremes):
    dimension = Dimension(**given)
    assert dimension.extremes == extremes
    assert dimension.kind == kind_of(given)


@pytest.mark.parametrize(
    ("given", "value", "nearest"),
    [
        ({"uniform": [-2, 3]}, 1.25, 1.25),
        ({"uniform": [-2, 3]}, -5.0, -2),
        ({"loguniform": [0.1, 3]}, 3.6, 3),
        ({"randint": [2, 6]}, 6, 5),
        ({"quniform": [0, 6, 2]}, 4.8, 4.0),
        ({"quniform": [0, 6, 2]}, 7.2, 6.0),
        ({"choice": ["a", 2]}, "a", "a"),
    ],
)
def test_nearest_brings_a_value_back_into_its_range(given, value, nearest):
    assert Dimension(**given).nearest(value) == nearest


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({}, True),
        ({"kind": "maml"}, True),
        ({"kind": "reptile"}, False),
        ({"kind": ["reptile", "maml"]}, True),
        ({"kind": ("reptile", "maml")}, True),
        ({"kind": ["reptile", "anil"]}, False),
        ({"kind": "maml", "steps": 5}, True),
        ({"kind": "maml", "steps": 4}, False),
        ({"absent": 1}, False),
    ],
)
def test_conditions_hold_if_each_key_has_its_value_or_one_of_several(conditions, expected):
    assert holds(conditions, {"kind": "maml", "steps": 5}) is expected
