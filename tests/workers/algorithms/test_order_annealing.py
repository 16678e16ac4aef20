"""First-to-second-order annealing against the known answers of small_quadratic.py."""

import numpy as np
import pytest
from small_quadratic import ALPHA, Quadratic, flatten, make_problem, split
from small_tasks import FRESH

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.boil import BoilAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.meta_sgd import MetaSgdAlgorithm

AFTER = 5
KINDS = [MamlAlgorithm, AnilAlgorithm, BoilAlgorithm, MetaSgdAlgorithm]


@pytest.mark.parametrize("step", [0, AFTER - 1, AFTER, 10**6])
def test_the_first_steps_drop_the_second_derivative_and_later_ones_do_not(step):
    theta, one, a, b = make_problem()
    settings = MamlAlgorithm(inner_lr=ALPHA, inner_steps=3, second_order_after=AFTER)
    gradient, _, _ = settings.at(step).outer_gradient(Quadratic(), split(theta), FRESH, one)
    shrink = (1 - ALPHA) ** 3
    slope = 1 if step < AFTER else shrink
    expected = slope * (a + shrink * (theta - a) - b)
    np.testing.assert_allclose(flatten(gradient), expected, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_two_forms_that_are_the_algorithm_in_either_order(kind):
    settings = kind(inner_steps=2, second_order_after=AFTER)
    assert settings.changes_at == [AFTER]
    assert len({settings.at(step) for step in range(20)}) == 2
    first, second = settings.at(0), settings.at(AFTER)
    assert (first.first_order, second.first_order) == (True, False)
    assert (first.second_order, second.second_order) == (False, True)
    # What is checked before a run is whether it ever differentiates twice.
    assert settings.second_order
    assert settings.costliest == kind(inner_steps=2)


def test_both_kinds_of_annealing_go_together():
    settings = MamlAlgorithm(second_order_after=3, multi_step=True, multi_step_until=7)
    assert settings.changes_at == [3, 7]
    forms = [settings.at(step) for step in (0, 3, 7)]
    assert [form.first_order for form in forms] == [True, False, False]
    assert [form.multi_step_until for form in forms] == [7, 7, 0]
    together = MamlAlgorithm(second_order_after=7, multi_step=True, multi_step_until=7)
    assert together.changes_at == [7]
    assert len({together.at(step) for step in range(20)}) == 2


def test_without_it_nothing_changes():
    for settings in (MamlAlgorithm(), MamlAlgorithm(first_order=True), MetaSgdAlgorithm()):
        assert list(settings.changes_at) == []
        assert settings.at(0) is settings
        assert settings.costliest is settings
