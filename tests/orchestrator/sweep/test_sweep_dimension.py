import numpy as np
import pytest
from hypothesis import given as with_any
from hypothesis import strategies as st

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


@pytest.mark.parametrize(("settings", "low", "high"), LOW_HIGH, ids=map(str, range(4)))
def test_draws_reach_from_one_end_to_the_other_and_no_further(settings, low, high):
    values = draws(Dimension(**settings))
    assert low <= min(values)
    assert max(values) <= high
    if kind_of(settings) in ("quniform", "randint"):
        assert (min(values), max(values)) == (low, high)
    assert all(type(value) is (int if "randint" in settings else float) for value in values)


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
    multiples = sorted(set(draws(Dimension(quniform=(0.5, 2, 0.5)))))
    assert multiples == [0.5, 1.0, 1.5, 2.0]


def test_randint_gives_whole_numbers_without_the_upper_end():
    assert sorted(set(draws(Dimension(randint=(2, 6))))) == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("settings", "extremes"),
    [
        ({"choice": ["a", 2]}, ["a", 2]),
        ({"grid": [3, 1, 2]}, [3, 1, 2]),
        ({"uniform": [-2, 3]}, [-2, 3]),
        ({"loguniform": [0.1, 3]}, [0.1, 3]),
        ({"quniform": [0, 6, 2]}, [0, 6]),
        ({"randint": [2, 6]}, [2, 5]),
    ],
)
def test_the_extremes_are_all_choices_or_the_ends_that_can_be_drawn(settings, extremes):
    dimension = Dimension(**settings)
    assert dimension.extremes == extremes
    assert dimension.kind == kind_of(settings)


@pytest.mark.parametrize(
    ("settings", "value", "nearest"),
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
def test_nearest_brings_a_value_back_into_its_range(settings, value, nearest):
    assert Dimension(**settings).nearest(value) == nearest


DIMENSIONS = [
    {"choice": ["a", 2, [1, 2], True]},
    {"choice": [7]},
    {"uniform": [-2, 3]},
    {"uniform": [0, 1e-9]},
    {"loguniform": [1e-3, 0.1]},
    {"quniform": [0, 6, 2]},
    {"quniform": [0.1, 0.7, 0.1]},
    {"randint": [1, 3]},
    {"randint": [1, 10]},
    {"randint": [-5, 100]},
    {"randint": [4, 5]},
]


def is_in(dimension, value):
    low_high = dimension.extremes
    if dimension.choice is not None:
        return value in low_high
    if dimension.quniform is not None and dimension.nearest(value) != value:
        return False
    return low_high[0] <= value <= low_high[1]


@with_any(st.sampled_from(DIMENSIONS), st.integers(0, 2**32 - 1))
def test_a_neighbour_is_another_value_of_the_space_and_of_its_type(settings, seed):
    dimension, rng = Dimension(**settings), np.random.default_rng(seed)
    value = dimension.draw(rng)
    for _ in range(30):
        other = dimension.neighbour(value, rng)
        assert is_in(dimension, other)
        assert (other != value) == (len(set(map(repr, dimension.extremes))) > 1)
        if dimension.choice is None:
            assert type(other) is type(value)
        value = other


def test_whole_numbers_reach_every_value_step_by_step():
    dimension, rng = Dimension(randint=(1, 10)), np.random.default_rng(0)
    seen, value = set(), 1
    for _ in range(400):
        value = dimension.neighbour(value, rng)
        seen.add(value)
    assert seen == set(range(1, 10))


@pytest.mark.parametrize(
    ("settings", "value", "beside"),
    [
        ({"randint": [1, 10]}, 1, {2}),
        ({"randint": [1, 10]}, 2, {1, 3}),
        ({"randint": [1, 10]}, 9, {7}),
        ({"loguniform": [1e-3, 1.0]}, 0.5, {0.4, 0.6}),
        ({"loguniform": [1e-3, 1.0]}, 1.0, {0.8}),
        ({"uniform": [0, 1]}, 0.0, {0.05}),
        ({"quniform": [0, 6, 2]}, 2, {0, 4}),
        ({"choice": ["a", "b", "c"]}, "b", {"a", "c"}),
        ({"choice": ["a", "b", "c"]}, "c", {"b"}),
    ],
)
def test_neighbours_are_a_step_or_a_fifth_away(settings, value, beside):
    rng = np.random.default_rng(0)
    assert {Dimension(**settings).neighbour(value, rng) for _ in range(30)} == beside


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
