"""Each algorithm against the one problem whose answer is known, see small_quadratic.py."""

import numpy as np
import pytest
import tensorflow as tf
from small_quadratic import ALPHA, SHAPES, Quadratic, flatten, half_square, make_problem, split
from small_tasks import FRESH

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.boil import BoilAlgorithm
from workers.algorithms.joint import JointAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.meta_sgd import MetaSgdAlgorithm
from workers.algorithms.reptile import ReptileAlgorithm


@pytest.fixture
def problem():
    return make_problem()


@pytest.mark.parametrize("k", [1, 3])
def test_second_order_maml_equals_the_quadratic_oracle(problem, k):
    theta, one, a, b = problem
    settings = MamlAlgorithm(inner_lr=ALPHA, inner_steps=k)
    gradient, _, metrics = settings.outer_gradient(Quadratic(), split(theta), FRESH, one)
    shrink = (1 - ALPHA) ** k
    theta_k = a + shrink * (theta - a)
    np.testing.assert_allclose(flatten(gradient), shrink * (theta_k - b), rtol=1e-12)
    assert metrics.keys() == {"loss_before", "loss_after"}
    before = half_square(theta, one.support_inputs.numpy())
    after = half_square(theta_k, one.query_inputs.numpy())
    np.testing.assert_allclose(metrics["loss_before"], before, rtol=1e-12)
    np.testing.assert_allclose(metrics["loss_after"], after, rtol=1e-12)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("first_order", [False, True])
def test_multi_step_maml_learns_from_the_mean_of_the_losses_after_each_step(
    problem, k, first_order
):
    theta, one, a, b = problem
    settings = MamlAlgorithm(
        inner_lr=ALPHA, inner_steps=k, multi_step=True, first_order=first_order
    )
    gradient, _, metrics = settings.outer_gradient(Quadratic(), split(theta), FRESH, one)
    shrinks = [(1 - ALPHA) ** (step + 1) for step in range(k)]
    visited = [a + shrink * (theta - a) for shrink in shrinks]
    factors = np.ones(k) if first_order else shrinks
    expected = np.mean([f * (w - b) for f, w in zip(factors, visited, strict=True)], axis=0)
    np.testing.assert_allclose(flatten(gradient), expected, rtol=1e-12)
    losses = [half_square(w, one.query_inputs.numpy()) for w in visited]
    np.testing.assert_allclose(metrics["loss_of_steps"], np.mean(losses), rtol=1e-12)
    np.testing.assert_allclose(metrics["loss_after"], losses[-1], rtol=1e-12)


@pytest.mark.parametrize("k", [1, 3])
def test_first_order_maml_equals_the_quadratic_oracle(problem, k):
    theta, one, a, b = problem
    settings = MamlAlgorithm(inner_lr=ALPHA, inner_steps=k, first_order=True)
    gradient, _, metrics = settings.outer_gradient(Quadratic(), split(theta), FRESH, one)
    theta_k = a + (1 - ALPHA) ** k * (theta - a)
    np.testing.assert_allclose(flatten(gradient), theta_k - b, rtol=1e-12)
    after = half_square(theta_k, one.query_inputs.numpy())
    np.testing.assert_allclose(metrics["loss_after"], after, rtol=1e-12)


@pytest.mark.parametrize("k", [1, 3])
def test_reptile_equals_the_quadratic_oracle(problem, k):
    theta, one, a, _ = problem
    settings = ReptileAlgorithm(inner_lr=ALPHA, inner_steps=k)
    gradient, _, metrics = settings.outer_gradient(Quadratic(), split(theta), FRESH, one)
    theta_k = a + (1 - ALPHA) ** k * (theta - a)
    np.testing.assert_allclose(flatten(gradient), theta - theta_k, rtol=1e-12)
    before = half_square(theta, one.support_inputs.numpy())
    after = half_square(theta_k, one.query_inputs.numpy())
    np.testing.assert_allclose(metrics["loss_before"], before, rtol=1e-12)
    np.testing.assert_allclose(metrics["loss_after"], after, rtol=1e-12)


def test_joint_pulls_toward_the_mean_of_support_and_query_examples(problem):
    """Its loss is the mean of 1/2 |theta - x|^2 over all examples: gradient theta - mean x."""
    theta, one, a, b = problem
    gradient, _, metrics = JointAlgorithm().outer_gradient(Quadratic(), split(theta), FRESH, one)
    np.testing.assert_allclose(flatten(gradient), theta - (3 * a + 2 * b) / 5, rtol=1e-12)
    points = np.concatenate([one.support_inputs, one.query_inputs])
    assert metrics.keys() == {"loss_before", "loss_after"}
    np.testing.assert_allclose(metrics["loss_before"], half_square(theta, points), rtol=1e-12)
    assert metrics["loss_after"] is metrics["loss_before"]


@pytest.mark.parametrize("k", [1, 6])
def test_reptile_with_inner_adam_equals_numpy(problem, k):
    theta, one, a, _ = problem
    settings = ReptileAlgorithm(inner_lr=0.0625, inner_steps=k, inner_optimizer="adam")
    gradient, _, _ = settings.outer_gradient(Quadratic(), split(theta), FRESH, one)
    adapted, second = theta.copy(), np.zeros(10)
    for t in range(1, k + 1):
        g = adapted - a
        second = 0.999 * second + 0.001 * g**2
        adapted = adapted - 0.0625 * np.sqrt(1 - 0.999**t) * g / (np.sqrt(second) + 1e-8)
    np.testing.assert_allclose(flatten(gradient), theta - adapted, rtol=1e-9)


def test_inner_adams_first_step_is_the_sign_of_the_gradient(problem):
    theta, one, a, _ = problem
    settings = ReptileAlgorithm(inner_lr=0.0625, inner_steps=1, inner_optimizer="adam")
    gradient, _, _ = settings.outer_gradient(Quadratic(), split(theta), FRESH, one)
    np.testing.assert_allclose(flatten(gradient), 0.0625 * np.sign(theta - a), rtol=1e-4)


def test_each_inner_step_of_reptile_pulls_toward_its_own_batch(problem):
    theta, one, _, _ = problem
    centres = np.random.default_rng(1).normal(size=(2, 1, 10))
    dealt = one._replace(
        support_inputs=tf.constant(centres[:, 0]),
        support_targets=tf.zeros(2, tf.int32),
        batches=tf.constant([[0], [1]]),
    )
    settings = ReptileAlgorithm(inner_lr=ALPHA, inner_steps=3)
    gradient, _, _ = settings.outer_gradient(Quadratic(), split(theta), FRESH, dealt)
    adapted = theta
    for step in (0, 1, 0):
        adapted = adapted - ALPHA * (adapted - centres[step, 0])
    np.testing.assert_allclose(flatten(gradient), theta - adapted, rtol=1e-12)


def velocity_of_quadratic(theta, a, k, coefficient, velocity=0.0):
    """Momentum on the quadratic, by numpy: the adapted weights and the velocity."""
    for _ in range(k):
        velocity = coefficient * velocity + (theta - a)
        theta = theta - ALPHA * velocity
    return theta, velocity


@pytest.mark.parametrize("k", [1, 4])
def test_reptile_with_inner_momentum_equals_numpy(problem, k):
    theta, one, a, _ = problem
    settings = ReptileAlgorithm(
        inner_lr=ALPHA, inner_steps=k, inner_optimizer="momentum", inner_momentum=0.5
    )
    gradient, left, _ = settings.outer_gradient(Quadratic(), split(theta), FRESH, one)
    adapted, velocity = velocity_of_quadratic(theta, a, k, 0.5)
    np.testing.assert_allclose(flatten(gradient), theta - adapted, rtol=1e-12)
    np.testing.assert_allclose(flatten(left.moments), velocity, rtol=1e-12)


@pytest.mark.parametrize("optimizer", ["momentum", "adam"])
def test_persistent_moments_go_on_where_the_step_before_ended(problem, optimizer):
    """Two outer steps of k inner steps each are one of 2k, if theta does not move in between."""
    theta, one, _, _ = problem
    settings = {"inner_optimizer": optimizer, "inner_moments": "persistent", "inner_lr": 0.0625}
    twice = ReptileAlgorithm(inner_steps=6, **settings)
    once = ReptileAlgorithm(inner_steps=3, **settings)
    expected, end, _ = twice.outer_gradient(Quadratic(), split(theta), FRESH, one)
    first, left, _ = once.outer_gradient(Quadratic(), split(theta), FRESH, one)
    middle = split(theta - flatten(first))
    second, final, _ = once.outer_gradient(Quadratic(), middle, left._replace(outer_step=1), one)
    np.testing.assert_allclose(flatten(first) + flatten(second), flatten(expected), rtol=1e-10)
    np.testing.assert_allclose(flatten(final.moments), flatten(end.moments), rtol=1e-10)


@pytest.mark.parametrize("k", [1, 3])
def test_maml_through_momentum_equals_the_quadratic_oracle(problem, k):
    """The adapted weights are linear in theta: their slope is numpy's run from 1 toward 0."""
    theta, one, a, b = problem
    settings = MamlAlgorithm(
        inner_lr=ALPHA, inner_steps=k, inner_optimizer="momentum", inner_momentum=0.5
    )
    gradient, _, _ = settings.outer_gradient(Quadratic(), split(theta), FRESH, one)
    adapted, _ = velocity_of_quadratic(theta, a, k, 0.5)
    slope, _ = velocity_of_quadratic(1.0, 0.0, k, 0.5)
    np.testing.assert_allclose(flatten(gradient), slope * (adapted - b), rtol=1e-12)


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize(
    ("kind", "adapts"),
    [(AnilAlgorithm, [False, True]), (BoilAlgorithm, [True, False])],
    ids=["anil", "boil"],
)
def test_anil_and_boil_equal_the_quadratic_oracle(problem, kind, adapts, k, first_order):
    """Weights that adapt contract as MAML's; for the others d(theta_k)/d(theta) is 1."""
    theta, one, a, b = problem
    settings = kind(inner_lr=ALPHA, inner_steps=k, first_order=first_order)
    gradient, _, _ = settings.outer_gradient(Quadratic(), split(theta), FRESH, one)
    mask = np.concatenate(
        [np.full(np.prod(shape), adapted) for shape, adapted in zip(SHAPES, adapts, strict=True)]
    )
    shrink = np.where(mask, (1 - ALPHA) ** k, 1)
    theta_k = a * (1 - shrink) + shrink * theta
    slope = 1 if first_order else shrink
    np.testing.assert_allclose(flatten(gradient), slope * (theta_k - b), rtol=1e-12)


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("k", [1, 3])
def test_meta_sgd_equals_the_quadratic_oracle(problem, k, first_order):
    """theta_k = a + (1 - r)^k (theta - a) for each weight's rate r, and so is d(theta_k)/dr.

    First order drops what a step's gradient owes to the weights before it: then d(theta_k)/dr is
    the sum of the gradients along the way, with a minus sign.
    """
    theta, one, a, b = problem
    rates = np.random.default_rng(1).uniform(0.1, 0.9, 10)
    settings = MetaSgdAlgorithm(inner_steps=k, first_order=first_order)
    meta = split(theta) + split(rates)
    gradient, _, _ = settings.outer_gradient(Quadratic(), meta, FRESH, one)
    theta_k = a + (1 - rates) ** k * (theta - a)
    if first_order:
        by_theta = 1
        by_rate = -sum((1 - rates) ** i * (theta - a) for i in range(k))
    else:
        by_theta = (1 - rates) ** k
        by_rate = -k * (1 - rates) ** (k - 1) * (theta - a)
    np.testing.assert_allclose(flatten(gradient[:2]), by_theta * (theta_k - b), rtol=1e-12)
    np.testing.assert_allclose(flatten(gradient[2:]), by_rate * (theta_k - b), rtol=1e-12)
