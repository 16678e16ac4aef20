"""None of TensorFlow's and Keras' known wrong derivatives slips through, with XLA or without.

A small network has one layer of each kind behind a convolution. It is refused, or its second
derivative, compiled as a block compiles it, is that of finite differences in float64.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from workers.execution.compiled import Compiled
from workers.model_checks.in_float64 import in_float64, stateless
from workers.model_checks.second_derivative import check_second_derivative

SHAPE, CHANNELS = (6, 6, 1), 3


class Calls(layers.Layer):
    """A layer that calls a function."""

    def __init__(self, function):
        super().__init__(name="culprit")
        self.function = function

    def call(self, inputs):
        return self.function(inputs)


def spectrum(function):
    """A function of a complex spectrum, as two real parts."""

    def call(x):
        numbers = function(tf.signal.rfft(x))
        if numbers.dtype.is_complex:
            return tf.concat([tf.math.real(numbers), tf.math.imag(numbers)], -1)
        return numbers

    return lambda: Calls(call)


def own_moments(x):
    mean, variance = tf.nn.moments(x, [0, 1, 2])
    return (x - mean) * tf.math.rsqrt(variance + 1e-3)


def blurred_labels(x):
    labels = tf.nn.softmax(x)
    return tf.nn.softmax_cross_entropy_with_logits(labels, 2 * x)[..., None]


def in_rows(layer):
    return lambda: Calls(lambda x: layer(tf.reshape(x, (tf.shape(x)[0], 8, 6))))


def colours(x):
    return tf.cast(tf.image.hsv_to_rgb(tf.sigmoid(tf.cast(x, tf.float32))), x.dtype)


RIGHT = {
    "MaxPooling2D": lambda: layers.MaxPooling2D(2),
    "MaxPooling2D, overlapping": lambda: layers.MaxPooling2D(3, 2, padding="same"),
    "AdaptiveMaxPooling2D": lambda: layers.AdaptiveMaxPooling2D((2, 2)),
    "max_pool2d": lambda: Calls(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID")),
    "MaxPooling1D": in_rows(layers.MaxPooling1D(2, dtype="float32")),
    "UpSampling2D": lambda: layers.UpSampling2D(2, interpolation="bilinear"),
    "Resizing": lambda: layers.Resizing(3, 5),
    "CenterCrop of a smaller image": lambda: layers.CenterCrop(7, 7),
    "image.resize": lambda: Calls(lambda x: tf.cast(tf.image.resize(x, (7, 3)), x.dtype)),
    "complex sqrt": spectrum(tf.sqrt),
    "complex rsqrt": spectrum(lambda z: tf.math.rsqrt(z + 3.0)),
    "complex reciprocal": spectrum(lambda z: tf.math.reciprocal(z + 3.0)),
    "complex log": spectrum(lambda z: tf.math.log(z + 3.0)),
    "angle": spectrum(lambda z: tf.math.angle(z + 3.0)),
    "BatchNormalization": layers.BatchNormalization,
    "LayerNormalization": layers.LayerNormalization,
}
REFUSED = {
    "labels that depend on weights": lambda: Calls(blurred_labels),
    "RandomRotation": lambda: layers.RandomRotation(0.3, seed=1),
    "RandomTranslation": lambda: layers.RandomTranslation(0.3, 0.3, seed=1),
    "RandomZoom": lambda: layers.RandomZoom(0.4, seed=1),
    "RandomShear": lambda: layers.RandomShear(0.5, 0.5, seed=1),
    "RandomPerspective": lambda: layers.RandomPerspective(1.0, 0.5, seed=1),
    "RandomHue": lambda: layers.RandomHue(0.5, value_range=(-1, 1), seed=1),
    "RandomSaturation": lambda: layers.RandomSaturation(0.5, value_range=(-1, 1), seed=1),
    "hsv_to_rgb": lambda: Calls(colours),
    "nn.moments": lambda: Calls(own_moments),
}


def network(culprit):
    keras.utils.set_random_seed(3)
    return keras.Sequential(
        [
            keras.Input(SHAPE),
            layers.Conv2D(CHANNELS, 3, bias_initializer="normal"),
            culprit,
            layers.Flatten(),
            layers.Dense(2),
        ]
    )


@pytest.mark.slow
@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("name", [*RIGHT, *REFUSED])
def test_a_network_with_it_is_right_or_refused(name, xla):
    model = network((RIGHT | REFUSED)[name]())
    verdict = check_second_derivative(model, SHAPE, True, None, ("map", xla))
    if name in REFUSED:
        assert verdict.layer is model.layers[1], verdict
        return
    assert verdict.layer is None, verdict.reason
    assert verdict.unchecked == verdict.unknown == []
    assert error(model, xla) < 1e-3


def error(model, xla):
    """The relative error of the second derivative, compiled, along a direction."""
    rng = np.random.default_rng(0)
    weights = [w.numpy() for w in model.trainable_variables]
    direction = [rng.normal(size=w.shape).astype(np.float32) for w in weights]
    inputs = rng.normal(size=(4, *SHAPE)).astype(np.float32)
    targets = rng.normal(size=(4, 2)).astype(np.float32)

    def loss(values, dtype):
        frozen = model.non_trainable_variables
        pairs = zip(model.trainable_variables, values, strict=True)
        with stateless(frozen, pairs, dtype):
            outputs = model(tf.cast(inputs, dtype), training=True)
        return tf.reduce_sum(tf.square(tf.cast(outputs, dtype) - tf.cast(targets, dtype)))

    def gradient(values, dtype):
        with tf.GradientTape() as tape:
            tape.watch(values)
            value = loss(values, dtype)
        return tape.gradient(value, values)

    def along(*values):
        with tf.GradientTape() as tape:
            tape.watch(values)
            slopes = gradient(list(values), tf.float32)
            total = tf.add_n([tf.reduce_sum(g * d) for g, d in zip(slopes, direction, strict=True)])
        return tape.gradient(total, values)

    from workers.models.exact_normalization import exact_normalization

    with exact_normalization(True):
        ours = Compiled(along, xla)((), *(tf.constant(w) for w in weights))
        with in_float64(model):
            step = 1e-3 if xla is None else 1e-5
            ends = [
                gradient(
                    [
                        tf.constant(w.astype(np.float64) + sign * step * d)
                        for w, d in zip(weights, direction, strict=True)
                    ],
                    tf.float64,
                )
                for sign in (1, -1)
            ]
    exact = [(a - b).numpy() / (2 * step) for a, b in zip(*ends, strict=True)]
    ours, exact = (np.concatenate([np.ravel(part) for part in parts]) for parts in (ours, exact))
    return np.linalg.norm(ours - exact) / np.linalg.norm(exact)
