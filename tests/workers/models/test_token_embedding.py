"""Keras' Embedding, without places that hold no token in its derivative."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from workers.export.plain_keras import plain
from workers.models.token_embedding import TokenBag, TokenEmbedding

NUM_TOKENS, WIDTH = 7, 3
IDS = np.array([[3, 1, 3, 0], [6, 0, 0, 0]], np.int32)


@pytest.fixture
def layers() -> tuple[keras.layers.Embedding, TokenEmbedding]:
    keras_layer, our_layer = (
        kind(NUM_TOKENS, WIDTH, dtype="float64")
        for kind in (keras.layers.Embedding, TokenEmbedding)
    )
    values = np.random.default_rng(0).normal(size=(NUM_TOKENS, WIDTH))
    for layer in (keras_layer, our_layer):
        layer.build(IDS.shape)
        layer.set_weights([values])
    return keras_layer, our_layer


def derivatives(layer: Any) -> list[Any]:
    """Compute first and second derivatives of a loss that ignores places without a token."""
    table = layer.embeddings.value
    direction = tf.constant(np.random.default_rng(1).normal(size=(NUM_TOKENS, WIDTH)))
    with tf.GradientTape() as outer:
        outer.watch(table)
        with tf.GradientTape() as inner:
            inner.watch(table)
            vectors = tf.where(IDS[..., None] == 0, tf.zeros([], tf.float64), layer(IDS))
            loss = tf.reduce_sum(tf.tanh(vectors) ** 3)
        first = tf.convert_to_tensor(inner.gradient(loss, table))
        along = tf.reduce_sum(first * direction)
    return [first, tf.convert_to_tensor(outer.gradient(along, table))]


def test_its_vectors_and_derivatives_are_those_of_keras(layers: Any) -> None:
    keras_layer, our_layer = layers
    np.testing.assert_array_equal(our_layer(IDS), keras_layer(IDS))
    for mine, expected in zip(derivatives(our_layer), derivatives(keras_layer), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-14)
        assert np.count_nonzero(mine) == 3 * WIDTH  # ids 1, 3 and 6


def test_tasks_side_by_side_have_the_derivatives_of_each_alone(layers: Any) -> None:
    _, our_layer = layers
    table = our_layer.embeddings.value

    def gradient(ids: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(table)
            is_token = tf.cast(ids[..., None] != 0, tf.float64)
            loss = tf.reduce_sum(tf.tanh(is_token * our_layer(ids)) ** 3)
        return tf.convert_to_tensor(tape.gradient(loss, table))

    together = tf.vectorized_map(gradient, tf.constant(IDS))
    for ids, one in zip(tf.constant(IDS), together, strict=True):
        np.testing.assert_allclose(one, gradient(ids), rtol=1e-14)


def test_a_place_without_a_token_leaves_no_derivative(layers: Any) -> None:
    _, our_layer = layers
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(our_layer(IDS))
    gradient = tf.convert_to_tensor(tape.gradient(loss, our_layer.embeddings.value))
    np.testing.assert_array_equal(gradient[:, 0], [0, 1, 0, 2, 0, 0, 1])


def test_a_bag_adds_up_the_weights_of_each_token_and_plain_keras_does_the_same():
    weights = np.array([[1.0, 2.0, 4.0, 0.0], [8.0, 0.0, 0.0, 0.0]], np.float32)
    expected = np.zeros((2, NUM_TOKENS))
    for row, text in enumerate(IDS):
        np.add.at(expected[row], text, weights[row])
    given, of = keras.Input((4,), dtype="int32"), keras.Input((4,))
    model = keras.Model([given, of], TokenBag(NUM_TOKENS)(given, count_weights=of))
    np.testing.assert_array_equal(model([tf.constant(IDS), tf.constant(weights)]), expected)
    np.testing.assert_array_equal(plain(model)([tf.constant(IDS), tf.constant(weights)]), expected)
    with tf.GradientTape() as tape:
        values = tf.constant(weights)
        tape.watch(values)
        total = tf.reduce_sum(
            tf.constant(np.arange(7.0), tf.float32) * model([tf.constant(IDS), values])
        )
    np.testing.assert_array_equal(tape.gradient(total, values), IDS)
