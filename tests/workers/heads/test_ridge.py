"""The head of ridge regression against numpy's solution in float64."""

import numpy as np
import pytest
import tensorflow as tf

from workers.heads.linear_head import ABSENT
from workers.heads.ridge import ridge_classes, ridge_numbers, solve

WAYS = 3
PENALTY = 0.3


def ridge_of(features, targets, ways, penalty):
    return ridge_classes(features, tf.constant(targets), ways, penalty)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def primal(x, y, penalty=PENALTY):
    """Minimize |x k - y|^2 + penalty |k|^2."""
    return np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ y)


@pytest.mark.parametrize("width", [2, 6, 9], ids=["narrow", "square", "wide"])
def test_both_forms_are_the_solution_of_the_normal_equations(width):
    x, y, ones = normal(6, width), normal(6, 2, seed=1), tf.ones(6)
    kernel = solve(tf.constant(x), tf.constant(y), ones, tf.constant(PENALTY, tf.float64))
    np.testing.assert_allclose(kernel, primal(x, y), rtol=1e-10)


@pytest.mark.parametrize("width", [2, 9], ids=["narrow", "wide"])
def test_each_class_counts_as_much_as_any_other(width):
    targets = np.array([0, 1, 1, 1, 2, 2], np.int32)
    x = normal(len(targets), width)
    weights = len(targets) / (WAYS * np.bincount(targets)[targets])
    roots = np.sqrt(weights)[:, None]
    expected = primal(roots * x, roots * np.eye(WAYS)[targets])
    head = ridge_of(tf.constant(x), targets, WAYS, tf.constant(PENALTY, tf.float64))
    np.testing.assert_allclose(head.kernel, expected, rtol=1e-10)
    np.testing.assert_array_equal(head.bias, np.zeros(WAYS))


def test_with_equal_shots_it_is_the_papers_regression():
    targets = np.array([0, 0, 1, 1, 2, 2], np.int32)
    x = normal(6, 4)
    head = ridge_of(tf.constant(x), targets, WAYS, tf.constant(PENALTY, tf.float64))
    np.testing.assert_allclose(head.kernel, primal(x, np.eye(WAYS)[targets]), rtol=1e-10)


@pytest.mark.parametrize("width", [2, 9], ids=["narrow", "wide"])
def test_numbers_have_an_intercept_that_is_not_penalized(width):
    x, y = normal(6, width), 100 + normal(6, 2, seed=1)
    kernel, bias = ridge_numbers(tf.constant(x), tf.constant(y), tf.constant(PENALTY, tf.float64))
    expected = primal(x - x.mean(0), y - y.mean(0))
    np.testing.assert_allclose(kernel, expected, rtol=1e-9)
    np.testing.assert_allclose(bias, y.mean(0) - x.mean(0) @ expected, rtol=1e-10)


@pytest.mark.parametrize("width", [2, 9], ids=["narrow", "wide"])
@pytest.mark.parametrize("junk", [0.0, 1e30, np.nan])
def test_what_stands_in_the_place_of_padding_changes_nothing(width, junk):
    x, y = normal(6, width).astype("f4"), normal(6, 1, seed=1).astype("f4")
    classes = np.array([0, 0, 1, 1, 2, 2], np.int32)
    padded = np.insert(x, [2, 5], np.full((2, width), junk), axis=0)
    penalty = tf.constant(PENALTY)
    marked = np.insert(y, [2, 5], np.full((2, 1), np.nan), axis=0)
    ours = ridge_numbers(tf.constant(padded), tf.constant(marked), penalty)
    theirs = ridge_numbers(tf.constant(x), tf.constant(y), penalty)
    of_classes = ridge_of(tf.constant(padded), np.insert(classes, [2, 5], -1), WAYS, penalty)
    wanted = ridge_of(tf.constant(x), classes, WAYS, penalty)
    for one, other in zip((*ours, *of_classes), (*theirs, *wanted), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


def test_a_class_without_an_example_is_absent_and_changes_nothing():
    targets, x = np.array([0, 0, 2, 2], np.int32), tf.constant(normal(4, 5))
    penalty = tf.constant(PENALTY, tf.float64)
    head = ridge_of(x, targets, WAYS, penalty)
    dense = ridge_of(x, np.array([0, 0, 1, 1], np.int32), 2, penalty)
    np.testing.assert_allclose(tf.gather(head.kernel, [0, 2], axis=1), dense.kernel, rtol=1e-12)
    np.testing.assert_array_equal(head.bias, [0, ABSENT, 0])
    scaled = head.scaled(tf.constant(-0.1, tf.float64), tf.constant(2.0, tf.float64))
    np.testing.assert_array_equal(scaled.bias, [2, ABSENT, 2])


def test_a_small_penalty_keeps_its_digits():
    """In float32 the system would be singular: its condition is 10^9."""
    x = normal(20, 4).astype("f4") * [1e3, 1, 1, 1]
    y = normal(20, 1, seed=1)
    kernel = solve(tf.constant(x, tf.float32), tf.constant(y, tf.float32), tf.ones(20), 1e-3)
    expected = primal(x.astype("f4").astype("f8"), y.astype("f4").astype("f8"), np.float32(1e-3))
    np.testing.assert_allclose(kernel, expected, rtol=1e-5)
