"""The annealed multi-step loss against the known answers of small_quadratic.py."""

import numpy as np
import pytest
import tensorflow as tf
from small_quadratic import ALPHA, Quadratic, flatten, half_square, make_problem, split
from small_tasks import FRESH

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.maml import MamlAlgorithm

UNTIL = 8
STEPS = {"inner_lr": ALPHA, "inner_steps": 3, "multi_step": True}


def weights_at(step):
    """Return the weights of three losses at an outer step of eight, by hand."""
    earlier = {0: 1 / 3, 2: 1 / 4, 4: 1 / 6, 7: 1 / 24}[step]
    return np.array([earlier, earlier, 1 - 2 * earlier])


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("step", [0, 2, 4, 7])
def test_the_weights_go_linearly_from_equal_ones_to_the_last_loss(step, first_order):
    theta, one, a, b = make_problem()
    settings = MamlAlgorithm(**STEPS, multi_step_until=UNTIL, first_order=first_order).at(step)
    start = FRESH._replace(outer_step=tf.constant(step))
    gradient, _, metrics = settings.outer_gradient(Quadratic(), split(theta), start, one)
    shrinks = [(1 - ALPHA) ** k for k in (1, 2, 3)]
    visited = [a + shrink * (theta - a) for shrink in shrinks]
    factors = [1, 1, 1] if first_order else shrinks
    parts = zip(weights_at(step), factors, visited, strict=True)
    expected = sum(weight * factor * (w - b) for weight, factor, w in parts)
    np.testing.assert_allclose(flatten(gradient), expected, rtol=1e-12)
    losses = [half_square(w, one.query_inputs.numpy()) for w in visited]
    weighted = np.dot(weights_at(step), losses)
    np.testing.assert_allclose(metrics["loss_of_steps"], weighted, rtol=1e-12)
    np.testing.assert_allclose(metrics["loss_after"], losses[-1], rtol=1e-12)


@pytest.mark.parametrize("kind", [MamlAlgorithm, AnilAlgorithm])
@pytest.mark.parametrize("step", [UNTIL, UNTIL + 1, 10**6])
def test_from_then_on_it_is_the_algorithm_with_the_last_loss_alone(kind, step):
    theta, one, *_ = make_problem()
    annealed = kind(**STEPS, multi_step_until=UNTIL).at(step)
    plain = kind(inner_lr=ALPHA, inner_steps=3)
    start = FRESH._replace(outer_step=tf.constant(step))
    gradient, _, metrics = annealed.outer_gradient(Quadratic(), split(theta), start, one)
    expected, _, others = plain.outer_gradient(Quadratic(), split(theta), start, one)
    np.testing.assert_array_equal(flatten(gradient), flatten(expected))
    # The column stays in the run's table.
    assert metrics.pop("loss_of_steps") is metrics["loss_after"]
    assert metrics.keys() == others.keys()


def test_at_step_0_it_is_the_mean_and_without_annealing_it_stays_so():
    theta, one, *_ = make_problem()
    steps = {name: MamlAlgorithm(**STEPS, **extra) for name, extra in EXTRAS.items()}
    first = {
        name: flatten(of.outer_gradient(Quadratic(), split(theta), FRESH, one)[0])
        for name, of in steps.items()
    }
    np.testing.assert_allclose(first["annealed"], first["equal"], rtol=1e-12)
    assert steps["equal"].at(10**6) is steps["equal"]


EXTRAS = {"equal": {}, "annealed": {"multi_step_until": UNTIL}}


def test_a_single_inner_step_has_nothing_to_anneal():
    theta, one, *_ = make_problem()
    settings = MamlAlgorithm(inner_lr=ALPHA, multi_step=True, multi_step_until=UNTIL)
    gradient, _, _ = settings.outer_gradient(Quadratic(), split(theta), FRESH, one)
    plain, _, _ = MamlAlgorithm(inner_lr=ALPHA).outer_gradient(
        Quadratic(), split(theta), FRESH, one
    )
    np.testing.assert_array_equal(flatten(gradient), flatten(plain))


def test_the_algorithm_changes_once():
    settings = MamlAlgorithm(**STEPS, multi_step_until=UNTIL)
    assert settings.changes_at == [UNTIL]
    assert len({settings.at(step) for step in range(20)}) == 2
    assert settings.at(UNTIL - 1) is settings
    assert settings.uses_outer_step
    assert not MamlAlgorithm(**STEPS).uses_outer_step
