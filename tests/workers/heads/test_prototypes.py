"""The head of prototypes against its definition, in numpy."""

import numpy as np
import pytest
import tensorflow as tf

from workers.heads.linear_head import ABSENT
from workers.heads.prototypes import prototype_head

WAYS, WIDTH = 3, 5
TARGETS = np.array([2, 0, 0, 1, 2, 2], np.int32)  # unbalanced, in no order


def head_of(features, targets, ways):
    return prototype_head(features, tf.constant(targets), ways)


@pytest.fixture
def features():
    return np.random.default_rng(0).normal(size=(len(TARGETS), WIDTH))


def probabilities(logits):
    exp = np.exp(logits - logits.max(-1, keepdims=True))
    return exp / exp.sum(-1, keepdims=True)


def test_probabilities_are_those_of_minus_the_squared_distance_to_each_mean(features):
    queries = np.random.default_rng(1).normal(size=(4, WIDTH))
    means = np.stack([features[way == TARGETS].mean(0) for way in range(WAYS)])
    distances = ((queries[:, None] - means) ** 2).sum(-1)
    logits = head_of(tf.constant(features), TARGETS, WAYS).outputs(queries).numpy()
    np.testing.assert_allclose(probabilities(logits), probabilities(-distances), rtol=1e-12)


def test_it_is_the_linear_head_of_twice_the_means_and_minus_their_squares(features):
    """ProtoMAML's initial weights, Triantafillou et al. 2020, section 3."""
    head = head_of(tf.constant(features), TARGETS, WAYS)
    means = np.stack([features[way == TARGETS].mean(0) for way in range(WAYS)])
    np.testing.assert_allclose(head.kernel, 2 * means.T, rtol=1e-12)
    np.testing.assert_allclose(head.bias, -(means**2).sum(-1), rtol=1e-12)


def test_a_class_without_an_example_is_never_predicted_and_changes_no_probability(features):
    queries = np.random.default_rng(1).normal(size=(4, WIDTH))
    few = head_of(tf.constant(features), TARGETS, WAYS).outputs(queries).numpy()
    more = head_of(tf.constant(features), TARGETS, WAYS + 2).outputs(queries).numpy()
    assert (more[:, WAYS:] == ABSENT).all()
    np.testing.assert_array_equal(probabilities(more)[:, :WAYS], probabilities(few))
    blank = head_of(tf.constant(features), TARGETS, WAYS + 2).blank().outputs(queries)
    np.testing.assert_array_equal(blank, [[0] * WAYS + [ABSENT] * 2] * 4)


@pytest.mark.parametrize("junk", [0.0, 1e30, np.nan])
def test_what_stands_in_the_place_of_padding_changes_no_bit(features, junk):
    padding = np.full((2, WIDTH), junk)
    targets = np.insert(TARGETS, [1, 4], -1)
    padded = np.insert(features, [1, 4], padding, axis=0).astype(np.float32)
    head = head_of(tf.constant(padded), targets, WAYS)
    expected = head_of(tf.constant(features, tf.float32), TARGETS, WAYS)
    for ours, wanted in zip(head, expected, strict=True):
        np.testing.assert_array_equal(ours, wanted)


def test_the_order_of_classes_and_of_examples_does_not_matter(features):
    order, places = np.random.default_rng(2).permutation(len(TARGETS)), np.array([2, 0, 1])
    kernel, bias = head_of(tf.constant(features), TARGETS, WAYS)
    head = head_of(tf.constant(features[order]), places[TARGETS][order].astype("i4"), WAYS)
    np.testing.assert_allclose(tf.gather(head.kernel, places, axis=1), kernel, rtol=1e-12)
    np.testing.assert_allclose(tf.gather(head.bias, places), bias, rtol=1e-12)
