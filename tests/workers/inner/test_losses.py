import numpy as np
import pytest
import tensorflow as tf
from small_tasks import task

from workers.inner.losses import Objective
from workers.losses.cross_entropy import cross_entropy
from workers.losses.next_token import next_token
from workers.losses.squared_error import mse
from workers.models.linear import LinearModel
from workers.models.registry import make_model


def test_mse_is_the_mean_square_over_output_dimensions():
    outputs, targets = tf.constant([[1.0, 2.0], [0.0, 0.0]]), tf.constant([[0.0, 0.0], [3.0, 0.0]])
    np.testing.assert_allclose(mse(outputs, targets), (2.5 + 4.5) / 2)


def test_cross_entropy_is_minus_the_log_of_the_targets_probability():
    logits = np.log([[0.2, 0.3, 0.5], [0.7, 0.2, 0.1]]).astype(np.float32)
    loss = cross_entropy(tf.constant(logits + 4), tf.constant([2, 1]))
    np.testing.assert_allclose(loss, -(np.log(0.5) + np.log(0.2)) / 2, rtol=1e-6)


def test_next_token_is_the_mean_over_tokens_that_there_are():
    logits = np.log([[[0.5, 0.5], [0.25, 0.75]], [[0.1, 0.9], [0.5, 0.5]]]).astype(np.float32)
    targets = tf.constant([[0, 1], [1, -1]])
    loss = next_token(tf.constant(logits), targets)
    expected = -(np.log(0.5) + np.log(0.75) + np.log(0.9)) / 3
    np.testing.assert_allclose(loss, expected, rtol=1e-6)
    objective = Objective(make_model(LinearModel(), (2,), 2), "next_token", "mean", 1)
    _, metrics = objective.score(tf.constant(logits), targets)
    np.testing.assert_allclose(metrics["bits_per_character"], expected / np.log(2), rtol=1e-6)


def test_a_rank_counts_candidates_that_are_as_good_as_better():
    objective = Objective(make_model(LinearModel(), (2,), 3), "ranking", "mean", 3)
    outputs = tf.constant([[3.0, 1, 2], [1, 3, 2], [2, 2, 2]])
    _, metrics = objective.score(outputs, tf.constant([0, 0, 0]))
    np.testing.assert_allclose(metrics["mrr"], (1 + 1 / 3 + 1 / 3) / 3, rtol=1e-6)


@pytest.mark.parametrize(("inner_loss", "scale"), [("mean", 1), ("sum_over_shots", 3)])
def test_the_inner_loss_is_scaled_and_the_outer_loss_is_not(inner_loss, scale):
    model = make_model(LinearModel(), (2,), 3)
    theta = [tf.constant(w) for w in model.initial_weights()]
    inputs, targets = tf.constant([[1.0, 0.0], [0.0, 2.0]]), tf.constant([0, 2])
    objective = Objective(model, "cross_entropy", inner_loss, 3)
    mean = tf.reduce_mean(cross_entropy(model.apply(theta, [], inputs)[0], targets))
    examples = (inputs, targets)
    np.testing.assert_allclose(objective.inner(theta, [], *examples)[0], scale * mean, rtol=1e-6)
    outer = objective.outer(theta, [], task(examples, examples))[0]
    np.testing.assert_allclose(outer, mean, rtol=1e-6)
    assert objective.inner_scale == scale


def test_accuracy_is_the_share_of_examples_whose_largest_output_is_the_target():
    objective = Objective(make_model(LinearModel(), (2,), 3), "cross_entropy", "mean", 3)
    outputs = tf.constant([[3.0, 1, 2], [1, 3, 2], [1, 2, 3], [3, 2, 1]])
    _, metrics = objective.score(outputs, tf.constant([0, 1, 2, 2]))
    assert metrics["accuracy"] == 0.75


def test_regression_has_no_accuracy():
    objective = Objective(make_model(LinearModel(), (1,), 1), "mse", "mean", 1)
    loss, metrics = objective.score(tf.constant([[1.0]]), tf.constant([[3.0]]))
    assert loss == 4
    assert metrics == {"loss": loss}
