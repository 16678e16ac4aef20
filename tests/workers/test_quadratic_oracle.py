"""Each algorithm against the one problem whose answer is known for any number of inner steps.

With support loss 1/2 |theta - a|^2 and query loss 1/2 |theta - b|^2, inner SGD of step size alpha
contracts: theta_k = a + (1 - alpha)^k (theta - a), so d(theta_k)/d(theta) = (1 - alpha)^k.
"""

import numpy as np
import pytest
import tensorflow as tf

from workers.algorithms import joint, maml, reptile
from workers.protocol import Episode
from workers.settings import JointAlgorithm, MamlAlgorithm, ReptileAlgorithm

SHAPES = [(2, 3), (4,)]
ALPHA = 0.375  # exact in float32, which inner_lr passes through on its way to float64


class Quadratic:
    """The mean over examples x of 1/2 |theta - x|^2 (and half their spread, a constant)."""

    inner_scale = 1.0

    def inner(self, theta, inputs, targets):
        flat = tf.concat([tf.reshape(w, [-1]) for w in theta], axis=0)
        return tf.reduce_mean(tf.reduce_sum(tf.square(flat - inputs), axis=-1)) / 2

    def outer(self, theta, inputs, targets):
        loss = self.inner(theta, inputs, targets)
        return loss, {"loss": loss}


@pytest.fixture
def problem():
    """theta, an episode of 3 support and 2 query points, and their means a and b."""
    rng = np.random.default_rng(0)
    theta, support, query = rng.normal(size=10), rng.normal(size=(3, 10)), rng.normal(size=(2, 10))
    targets = np.zeros(1, np.int32)
    episode = Episode(*map(tf.constant, (support[None], targets[None], query, targets)))
    return theta, episode, support.mean(axis=0), query.mean(axis=0)


def split(flat):
    ends = np.cumsum([np.prod(shape) for shape in SHAPES])[:-1]
    return [
        tf.constant(part.reshape(shape))
        for part, shape in zip(np.split(flat, ends), SHAPES, strict=True)
    ]


def flatten(gradient):
    assert [tuple(g.shape) for g in gradient] == SHAPES
    assert all(g.dtype == tf.float64 for g in gradient)
    return np.concatenate([np.ravel(g) for g in gradient])


def half_square(x, points):
    return np.mean(np.sum((x - points) ** 2, axis=-1)) / 2


@pytest.mark.parametrize("k", [1, 3])
def test_second_order_maml_equals_the_quadratic_oracle(problem, k):
    theta, episode, a, b = problem
    settings = MamlAlgorithm(inner_lr=ALPHA, inner_steps=k)
    gradient, metrics = maml.outer_gradient(Quadratic(), split(theta), episode, settings)
    shrink = (1 - ALPHA) ** k
    theta_k = a + shrink * (theta - a)
    np.testing.assert_allclose(flatten(gradient), shrink * (theta_k - b), rtol=1e-12)
    assert metrics.keys() == {"loss_before", "loss_after"}
    before = half_square(theta, episode.support_inputs[0].numpy())
    after = half_square(theta_k, episode.query_inputs.numpy())
    np.testing.assert_allclose(metrics["loss_before"], before, rtol=1e-12)
    np.testing.assert_allclose(metrics["loss_after"], after, rtol=1e-12)


@pytest.mark.parametrize("k", [1, 3])
def test_first_order_maml_equals_the_quadratic_oracle(problem, k):
    theta, episode, a, b = problem
    settings = MamlAlgorithm(inner_lr=ALPHA, inner_steps=k, first_order=True)
    gradient, metrics = maml.outer_gradient(Quadratic(), split(theta), episode, settings)
    theta_k = a + (1 - ALPHA) ** k * (theta - a)
    np.testing.assert_allclose(flatten(gradient), theta_k - b, rtol=1e-12)
    after = half_square(theta_k, episode.query_inputs.numpy())
    np.testing.assert_allclose(metrics["loss_after"], after, rtol=1e-12)


@pytest.mark.parametrize("k", [1, 3])
def test_reptile_equals_the_quadratic_oracle(problem, k):
    theta, episode, a, _ = problem
    settings = ReptileAlgorithm(inner_lr=ALPHA, inner_steps=k)
    gradient, metrics = reptile.outer_gradient(Quadratic(), split(theta), episode, settings)
    theta_k = a + (1 - ALPHA) ** k * (theta - a)
    np.testing.assert_allclose(flatten(gradient), theta - theta_k, rtol=1e-12)
    before = half_square(theta, episode.support_inputs[0].numpy())
    after = half_square(theta_k, episode.query_inputs.numpy())
    np.testing.assert_allclose(metrics["loss_before"], before, rtol=1e-12)
    np.testing.assert_allclose(metrics["loss_after"], after, rtol=1e-12)


def test_joint_pulls_toward_the_mean_of_support_and_query_examples(problem):
    """Its loss is the mean of 1/2 |theta - x|^2 over all examples: gradient theta - mean x."""
    theta, episode, a, b = problem
    gradient, metrics = joint.outer_gradient(Quadratic(), split(theta), episode, JointAlgorithm())
    np.testing.assert_allclose(flatten(gradient), theta - (3 * a + 2 * b) / 5, rtol=1e-12)
    points = np.concatenate([episode.support_inputs[0], episode.query_inputs])
    assert metrics.keys() == {"loss_before", "loss_after"}
    np.testing.assert_allclose(metrics["loss_before"], half_square(theta, points), rtol=1e-12)
    assert metrics["loss_after"] is metrics["loss_before"]


@pytest.mark.parametrize("k", [1, 6])
def test_reptile_with_inner_adam_equals_numpy(problem, k):
    theta, episode, a, _ = problem
    settings = ReptileAlgorithm(inner_lr=0.0625, inner_steps=k, inner_optimizer="adam")
    gradient, _ = reptile.outer_gradient(Quadratic(), split(theta), episode, settings)
    adapted, second = theta.copy(), np.zeros(10)
    for t in range(1, k + 1):
        g = adapted - a
        second = 0.999 * second + 0.001 * g**2
        adapted = adapted - 0.0625 * np.sqrt(1 - 0.999**t) * g / (np.sqrt(second) + 1e-8)
    np.testing.assert_allclose(flatten(gradient), theta - adapted, rtol=1e-9)


def test_inner_adams_first_step_is_the_sign_of_the_gradient(problem):
    theta, episode, a, _ = problem
    settings = ReptileAlgorithm(inner_lr=0.0625, inner_steps=1, inner_optimizer="adam")
    gradient, _ = reptile.outer_gradient(Quadratic(), split(theta), episode, settings)
    np.testing.assert_allclose(flatten(gradient), 0.0625 * np.sign(theta - a), rtol=1e-4)


def test_each_inner_step_of_reptile_pulls_toward_its_own_batch(problem):
    theta, episode, _, _ = problem
    centres = np.random.default_rng(1).normal(size=(2, 1, 10))
    dealt = episode._replace(
        support_inputs=tf.constant(centres), support_targets=tf.zeros((2, 1), tf.int32)
    )
    settings = ReptileAlgorithm(inner_lr=ALPHA, inner_steps=3)
    gradient, _ = reptile.outer_gradient(Quadratic(), split(theta), dealt, settings)
    adapted = theta
    for step in (0, 1, 0):
        adapted = adapted - ALPHA * (adapted - centres[step, 0])
    np.testing.assert_allclose(flatten(gradient), theta - adapted, rtol=1e-12)
