"""Keras' own normalization layers, called with metatrain's moments."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras.src.backend.tensorflow import nn as keras_nn

from workers.models.exact_normalization import exact_normalization

LAYERS = {
    "batch": keras.layers.BatchNormalization,
    "layer": keras.layers.LayerNormalization,
    "group": lambda: keras.layers.GroupNormalization(groups=2),
}


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize("shape", [(5, 4), (5, 3, 3, 4)])
def test_the_outputs_are_keras_own(kind, shape):
    layer = LAYERS[kind]()
    inputs = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = layer(inputs, training=True)
    with exact_normalization(batch_statistics=True):
        np.testing.assert_allclose(layer(inputs, training=True), expected, atol=1e-5)


def second_derivative_error(layer, inputs):
    """Compare the derivative of <gradient, u> along v with central differences, in float64."""
    rng = np.random.default_rng(1)
    u, v = (tf.constant(rng.normal(size=inputs.shape)) for _ in range(2))

    def along(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = tf.reduce_sum(tf.sin(layer(x, training=True)))
        return tf.reduce_sum(tape.gradient(value, x) * u)

    with tf.GradientTape() as tape:
        tape.watch(inputs)
        first = along(inputs)
    analytic = float(tf.reduce_sum(tape.gradient(first, inputs) * v))
    numeric = float(along(inputs + 1e-6 * v) - along(inputs - 1e-6 * v)) / 2e-6
    return abs(analytic - numeric) / abs(numeric)


@pytest.mark.usefixtures("float64")
@pytest.mark.parametrize("kind", LAYERS)
def test_the_second_derivative_is_right_within_and_wrong_without(kind):
    layer = LAYERS[kind]()
    inputs = tf.constant(np.random.default_rng(0).normal(size=(5, 8)))
    layer(inputs)
    with exact_normalization(batch_statistics=False):
        assert second_derivative_error(layer, inputs) < 1e-6
    assert second_derivative_error(layer, inputs) > 1e-3  # why this exists


def test_batch_statistics_are_used_outside_training_only_where_asked_for():
    layer = keras.layers.BatchNormalization()
    inputs = np.random.default_rng(0).normal(3, 2, size=(50, 4)).astype(np.float32)
    layer(inputs)
    with exact_normalization(batch_statistics=True):
        assert abs(float(tf.reduce_mean(layer(inputs, training=False)))) < 1e-4
    with exact_normalization(batch_statistics=False):
        assert float(tf.reduce_mean(layer(inputs, training=False))) > 2


def test_keras_is_given_back_as_it_was_after_an_error_too():
    moments, call = keras_nn._compute_moments, keras.layers.BatchNormalization.call
    with contextlib.suppress(ZeroDivisionError), exact_normalization(batch_statistics=True):
        assert keras_nn._compute_moments is not moments
        assert keras.layers.BatchNormalization.call is not call
        raise ZeroDivisionError
    assert keras_nn._compute_moments is moments
    assert keras.layers.BatchNormalization.call is call
