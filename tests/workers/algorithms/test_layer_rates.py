"""A learned rate for each layer and inner step: known answers, and finite differences."""

import numpy as np
import pytest
import tensorflow as tf
from small_quadratic import ALPHA, SHAPES, Quadratic, flatten, make_problem, split
from small_tasks import FRESH, task

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.boil import BoilAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.inner.inner_loop import adapt, record_adaptation, stepping
from workers.inner.losses import Objective
from workers.models.mlp import MlpModel
from workers.models.registry import make_model

STEPS = 3
BODY, HEAD = (int(np.prod(shape)) for shape in SHAPES)
RATES = np.random.default_rng(1).uniform(0.1, 0.9, (2, STEPS))
#: kind -> rows of RATES that are learned: those of layers that adapt.
ADAPTING = {MamlAlgorithm: [0, 1], AnilAlgorithm: [1], BoilAlgorithm: [0]}


def shrink_at(rates, step):
    """Return the factor by which an inner step brings each weight closer, [10]."""
    body, head = rates[:, min(step, STEPS - 1)]
    return np.concatenate([np.full(BODY, 1 - body), np.full(HEAD, 1 - head)])


def learned(kind):
    """Return the learned rates of a kind, and the rates of all layers with 0 for the others."""
    chosen = ADAPTING[kind]
    everywhere = np.zeros_like(RATES)
    everywhere[chosen] = RATES[chosen]
    return [tf.constant(RATES[row]) for row in chosen], everywhere


@pytest.mark.parametrize("kind", ADAPTING)
@pytest.mark.parametrize("first_order", [False, True])
def test_it_equals_the_quadratic_oracle(kind, first_order):
    """Each step k contracts a layer by 1 - rate: theta_K = a + (theta - a) prod(1 - rate_k).

    First order drops what a step's gradient owes to the weights before it: then the derivative by
    a rate is minus the gradient of its step.
    """
    theta, one, a, b = make_problem()
    settings = kind(inner_steps=STEPS, layer_rates=True, first_order=first_order)
    rates, everywhere = learned(kind)
    meta = split(theta) + rates
    gradient, _, _ = settings.outer_gradient(Quadratic(), meta, FRESH, one)
    factors = [shrink_at(everywhere, step) for step in range(STEPS)]
    total = np.prod(factors, axis=0)
    adapted = a + total * (theta - a)
    slope = 1 if first_order else total
    np.testing.assert_allclose(flatten(gradient[:2]), slope * (adapted - b), rtol=1e-12)
    for row, of_layer in zip(ADAPTING[kind], gradient[2:], strict=True):
        part = slice(0, BODY) if row == 0 else slice(BODY, None)
        for step in range(STEPS):
            before = np.prod(factors[:step], axis=0) * (theta - a)
            after = 1 if first_order else np.prod(factors[step + 1 :], axis=0)
            expected = np.sum((-before * after * (adapted - b))[part])
            np.testing.assert_allclose(of_layer[step], expected, rtol=1e-11)


def test_rates_may_be_negative_and_momentum_has_them_too():
    theta, one, a, b = make_problem()
    settings = MamlAlgorithm(
        inner_steps=STEPS, layer_rates=True, inner_optimizer="momentum", inner_momentum=0.5
    )
    rates = RATES * [[1, -1, 1]]
    meta = split(theta) + [tf.constant(row) for row in rates]
    gradient, _, _ = settings.outer_gradient(Quadratic(), meta, FRESH, one)
    adapted, velocity = theta.copy(), 0.0
    slope, slope_velocity = np.ones(10), 0.0
    for step in range(STEPS):
        rate = 1 - shrink_at(rates, step)
        velocity = 0.5 * velocity + (adapted - a)
        adapted = adapted - rate * velocity
        slope_velocity = 0.5 * slope_velocity + slope
        slope = slope - rate * slope_velocity
    np.testing.assert_allclose(flatten(gradient[:2]), slope * (adapted - b), rtol=1e-12)


def test_a_held_out_task_that_takes_more_steps_keeps_the_last_rates():
    theta, one, a, _ = make_problem()
    settings, objective = MamlAlgorithm(inner_steps=STEPS, layer_rates=True), Quadratic()
    meta = split(theta) + [tf.constant(row) for row in RATES]
    initial, plan = settings.start_inner_loop(objective, meta, FRESH, tf.constant(9.0))
    factors = [shrink_at(RATES, step) for step in range(5)]
    expected = a + np.prod(factors, axis=0) * (theta - a)
    unrolled, _ = adapt(objective.inner, initial, one, 5, plan)
    np.testing.assert_allclose(flatten(unrolled[-1].theta), expected, rtol=1e-12)
    records, last = record_adaptation(
        stepping(objective.inner, one, plan), initial, 5, lambda state: {"head": state.theta[1]}
    )
    np.testing.assert_allclose(flatten(last.theta), expected, rtol=1e-12)
    after_two = a + np.prod(factors[:2], axis=0) * (theta - a)
    np.testing.assert_allclose(records["head"][2], after_two[BODY:], rtol=1e-12)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", ADAPTING)
def test_the_derivative_by_each_rate_equals_finite_differences(kind):
    rng = np.random.default_rng(5)
    model = make_model(MlpModel(hidden=(8, 6), normalization="batch"), (5,), 3)
    settings = kind(inner_steps=2, layer_rates=True)
    extras = settings.extras(model)
    assert {extra.shape for extra in extras} == {(2,)}
    assert len({extra.name for extra in extras}) == len(extras)
    theta = [tf.constant(w + 0.2 * rng.normal(size=w.shape)) for w in model.initial_weights()]
    theta += [tf.constant(rng.uniform(0.1, 0.4, extra.shape)) for extra in extras]

    def examples():
        return rng.normal(size=(6, 5)), np.arange(6, dtype=np.int32) % 3

    one, objective = task(examples(), examples()), Objective(model, "cross_entropy", "mean", 3)
    gradient, _, _ = settings.outer_gradient(objective, theta, FRESH, one)
    for number in range(len(model.names), len(theta)):
        for step in range(2):
            losses = []
            for sign in (1, -1):
                moved = theta[number].numpy()
                moved[step] += sign * 1e-6
                changed = [*theta[:number], tf.constant(moved), *theta[number + 1 :]]
                losses.append(settings.outer_loss(objective, changed, FRESH, one)[0].numpy())
            expected = (losses[0] - losses[1]) / 2e-6
            np.testing.assert_allclose(gradient[number][step], expected, rtol=1e-5, atol=1e-9)


def test_the_arrays_of_a_layer_share_a_rate_and_layers_that_do_not_adapt_have_none():
    model = make_model(MlpModel(hidden=(8, 6), normalization="batch"), (5,), 3)
    names = [extra.name for extra in MamlAlgorithm(layer_rates=True).extras(model)]
    layers = ["dense0", "normalization0", "dense1", "normalization1", "head"]
    assert names == [f"inner_lr/{layer}" for layer in layers]
    assert [e.name for e in AnilAlgorithm(layer_rates=True).extras(model)] == ["inner_lr/head"]
    extras = BoilAlgorithm(inner_lr=0.7, inner_steps=4, layer_rates=True).extras(model)
    assert [extra.name for extra in extras] == names[:-1]
    assert {(extra.shape, extra.value) for extra in extras} == {((4,), 0.7)}
    assert MamlAlgorithm().extras(model) == []


def test_equal_rates_are_those_of_maml():
    theta, one, *_ = make_problem()
    constant = [tf.fill([STEPS], tf.constant(ALPHA, tf.float64))] * 2
    settings = MamlAlgorithm(inner_steps=STEPS, layer_rates=True)
    gradient, _, _ = settings.outer_gradient(Quadratic(), split(theta) + constant, FRESH, one)
    plain = MamlAlgorithm(inner_lr=ALPHA, inner_steps=STEPS)
    expected, _, _ = plain.outer_gradient(Quadratic(), split(theta), FRESH, one)
    np.testing.assert_array_equal(flatten(gradient[:2]), flatten(expected))
