"""Clipping of inner gradients: by their global norm, with the right derivative."""

import numpy as np
import pytest
import tensorflow as tf
from small_blocks import setup
from small_families import held_out_block, sinusoid_settings
from small_tasks import FRESH, at, task

from workers.algorithms.maml import MamlAlgorithm
from workers.inner.adaptation import adapt_to
from workers.inner.clipping import clipped
from workers.inner.losses import Objective
from workers.models.linear import LinearModel
from workers.models.registry import make_model
from workers.wire.protocol import Recipe


def test_a_large_gradient_has_the_largest_norm_and_a_small_one_stays():
    gradient = [tf.constant([3.0, 0.0]), tf.constant([[0.0], [4.0]])]
    np.testing.assert_allclose(clipped(gradient, 1.0)[1], [[0.0], [0.8]], rtol=1e-6)
    for one, other in zip(clipped(gradient, 5.1), gradient, strict=True):
        assert one.numpy().tobytes() == other.numpy().tobytes()


def test_the_derivative_goes_through_the_norm():
    """With g = w: d(c w / |w|) / dw = c (I - w w' / |w|^2) / |w|."""
    w, along = np.array([3.0, 4.0]), np.array([1.0, 2.0])
    at = tf.constant(w)
    with tf.GradientTape() as tape:
        tape.watch(at)
        value = tf.reduce_sum(clipped([at], 2.0)[0] * along)
    expected = 2.0 * (along - w * (w @ along) / 25) / 5
    np.testing.assert_allclose(tape.gradient(value, at), expected, rtol=1e-12)


def test_a_gradient_of_zero_has_a_derivative():
    at = tf.zeros(3)
    with tf.GradientTape() as tape:
        tape.watch(at)
        value = tf.reduce_sum(clipped([at], 1.0)[0])
    assert tape.gradient(value, at).numpy().tolist() == [1, 1, 1]


@pytest.mark.parametrize("value", [np.inf, np.nan, 1e30])
def test_what_is_not_finite_or_has_no_square_is_not_hidden(value):
    result = clipped([tf.constant([value, 1.0], tf.float32)], 1.0)[0]
    assert not np.isfinite(result.numpy()).all()


def test_new_tasks_are_adapted_to_with_clipped_gradients():
    """The weights after one step, as `metatrain adapt` and evaluations take it."""
    algorithm = MamlAlgorithm(inner_clip=0.01)
    settings = sinusoid_settings(algorithm=algorithm)
    runner, family, theta = setup(settings)
    block = held_out_block(settings, family, "adapt", 2, Recipe(inner_lr=1.0, inner_steps=1))
    adapted = runner.run(at(theta), block).metrics["theta"]
    np.testing.assert_allclose(np.linalg.norm(adapted - theta, axis=1), 0.01, rtol=1e-3)


def test_the_first_inner_step_has_the_length_of_the_clipped_gradient():
    """One step of FOMAML from theta to theta - inner_lr * clipped gradient."""
    model = make_model(LinearModel(), (2,), 1)
    theta = [tf.constant([[1.0], [2.0]]), tf.constant([0.5])]
    x, y = np.ones((3, 2), np.float32), np.full((3, 1), 100.0, np.float32)
    algorithm = MamlAlgorithm(inner_lr=0.1, inner_clip=0.5)
    objective, one = Objective(model, "mse", "mean", 1), task((x, y), (x, y))
    initial, plan = algorithm.start_inner_loop(model, theta, FRESH, 0.1)
    for objective.recompute in (False, True):
        last = adapt_to(objective, initial, one, 1, plan).last.theta
        moved = [(a - w).numpy().ravel() for a, w in zip(last, theta, strict=True)]
        np.testing.assert_allclose(np.linalg.norm(np.concatenate(moved)), 0.05, rtol=1e-4)
