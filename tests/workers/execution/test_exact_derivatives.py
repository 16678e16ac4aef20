"""Derivatives that TensorFlow has wrong or leaves out, compared with differences in float64.

The whole survey, of 734 cases in 12 modes, found these (see docs/reproducibility.md).
"""

from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from workers.execution.compiled import Compiled
from workers.execution.exact_derivatives import exact_derivatives


class Case(NamedTuple):
    """A function of x, float [shape]; exact: the same function in float64, else itself.

    near: whether all x are within 0.4 % of each other. step: of the differences.
    """

    function: object
    shape: tuple
    near: bool = False
    step: float = 1e-7
    exact: object = None


def total(y):
    """Sum squares with weights; of complex numbers, of both parts."""
    if y.dtype.is_complex:
        return total(tf.math.real(y)) + total(tf.math.imag(y))
    weights = np.random.default_rng(1).normal(size=y.shape)
    return tf.reduce_sum(tf.square(y) * tf.constant(weights, y.dtype))


def complex_parts(function):
    return lambda x: function(tf.complex(x[:4], x[4:]))


def keras_pool(layer, *arguments):
    return lambda x: layer(*arguments, dtype=x.dtype.name)(x)


def pool_3d(x):
    corners = [x[:, i::2, j::2, k::2] for i in range(2) for j in range(2) for k in range(2)]
    return tf.reduce_max(tf.stack(corners), 0)


def resized(*size):
    return lambda x: tf.cast(tf.image.resize(x, size), x.dtype)


POOLS = {
    "2 x 2": Case(lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), (2, 6, 5, 2), True),
    "3 x 3, step 2, padded": Case(lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"), (2, 7, 8, 2), True),
    "3 x 3, step 1, padded": Case(lambda x: tf.nn.max_pool2d(x, 3, 1, "SAME"), (2, 5, 5, 2), True),
    "Keras, in 1-D": Case(keras_pool(layers.MaxPooling1D, 2), (2, 8, 3), True),
    "Keras, to 3 x 3": Case(keras_pool(layers.AdaptiveMaxPooling2D, (3, 3)), (2, 8, 8, 2), True),
    "in 3-D": Case(
        lambda x: tf.nn.max_pool3d(x, 2, 2, "VALID"), (2, 4, 4, 4, 2), True, exact=pool_3d
    ),
}
COMPLEX = {
    "square root": Case(complex_parts(tf.sqrt), (8,)),
    "inverse square root": Case(complex_parts(tf.math.rsqrt), (8,)),
    "reciprocal": Case(complex_parts(tf.math.reciprocal), (8,)),
    "logarithm": Case(complex_parts(tf.math.log), (8,)),
    "logarithm of 1 + z": Case(complex_parts(tf.math.log1p), (8,)),
    "phase of a spectrum": Case(lambda x: tf.math.angle(tf.signal.rfft(x)), (8,)),
}
# Quadratic in x: differences of any step are exact, and the operation computes in float32.
RESIZED = {
    "larger": Case(resized(7, 5), (2, 4, 4, 2), step=0.1),
    "smaller": Case(resized(3, 2), (2, 4, 4, 2), step=0.1),
    "Keras": Case(layers.UpSampling2D(2, interpolation="bilinear"), (2, 4, 4, 2), step=0.1),
}


def straight_through(x):
    """Fake quantization as it is meant: its values, with the slope of what it rounds."""
    values = tf.cast(
        tf.quantization.fake_quant_with_min_max_args(tf.cast(x, tf.float32), -1, 2), x.dtype
    )
    inside = tf.clip_by_value(x, -1, 2)
    return inside + tf.stop_gradient(values - inside)


def learned_range(x, quantized):
    """The same in a range of which both ends are among x."""
    low, high, numbers = -1 - x[0] ** 2, 1 + x[1] ** 2, 2 * x[2:]
    if quantized:
        return tf.quantization.fake_quant_with_min_max_vars(numbers, low, high)
    inside = tf.minimum(tf.maximum(numbers, low), high)
    values = tf.quantization.fake_quant_with_min_max_vars(
        *(tf.cast(part, tf.float32) for part in (numbers, low, high))
    )
    return inside + tf.stop_gradient(tf.cast(values, x.dtype) - inside)


QUANTIZED = {
    "fixed range": (
        lambda x: tf.quantization.fake_quant_with_min_max_args(x, -1, 2),
        straight_through,
    ),
    "learned range": (
        lambda x: learned_range(x, True),
        lambda x: learned_range(x, False),
    ),
}


@pytest.mark.parametrize("xla", [False, True])
@pytest.mark.parametrize("name", QUANTIZED)
def test_quantization_passes_derivatives_of_both_orders_straight_through(name, xla):
    function, meant = QUANTIZED[name]
    rng = np.random.default_rng(0)
    x, direction = (tf.constant(rng.normal(size=24).astype(np.float32)) for _ in range(2))
    compiled = Compiled(lambda x, direction: derivatives(function, x, direction), xla)
    expected = derivatives(meant, tf.cast(x, tf.float64), tf.cast(direction, tf.float64))
    for ours, exact in zip(compiled((), x, direction), expected, strict=True):
        np.testing.assert_allclose(ours, exact, rtol=1e-5, atol=1e-5)


def derivatives(function, x, direction):
    """The gradient of the total, and its derivative along a direction."""
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = total(function(x))
        gradient = inner.gradient(value, x)
        along = tf.reduce_sum(gradient * direction)
    return gradient, outer.gradient(along, x, unconnected_gradients="zero")


def point(case):
    rng = np.random.default_rng(0)
    x = 1 + 0.004 * rng.random(case.shape) if case.near else rng.normal(size=case.shape)
    return x.astype(np.float32), rng.normal(size=case.shape).astype(np.float32)


def by_differences(case, x, direction):
    """The gradient in float64, and its differences along a direction."""

    def gradient(at):
        at = tf.constant(at)
        with tf.GradientTape() as tape:
            tape.watch(at)
            value = total((case.exact or case.function)(at))
        return tape.gradient(value, at).numpy()

    x, move = x.astype(np.float64), case.step * direction.astype(np.float64)
    return gradient(x), (gradient(x + move) - gradient(x - move)) / (2 * case.step)


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize(
    ("case", "xla"),
    [
        *((case, True) for case in (POOLS | COMPLEX | RESIZED).values()),
        *((case, False) for case in RESIZED.values()),
    ],
    ids=[*POOLS, *COMPLEX, *RESIZED, *(f"{name}, no XLA" for name in RESIZED)],
)
def test_both_derivatives_are_those_of_float64(case, xla, vectorized):
    x, direction = point(case)

    def graph(x, direction):
        if not vectorized:
            return derivatives(case.function, x, direction)
        both = tf.vectorized_map(
            lambda pair: derivatives(case.function, *pair), (x[None], direction[None])
        )
        return tf.nest.map_structure(lambda value: value[0], both)

    actual = Compiled(graph, xla)((), tf.constant(x), tf.constant(direction))
    for ours, exact in zip(actual, by_differences(case, x, direction), strict=True):
        error = np.linalg.norm(ours - exact) / np.linalg.norm(exact)
        assert error < 3e-6


def operations(case, xla):
    """The types of the operations of a graph with both derivatives; xla: None: no context."""
    x, direction = map(tf.constant, point(case))
    function = tf.function(lambda x, d: derivatives(case.function, x, d), autograph=False)
    if xla is None:
        graph = function.get_concrete_function(x, direction).graph
    else:
        with exact_derivatives(xla):
            graph = function.get_concrete_function(x, direction).graph
    return {operation.type for operation in graph.get_operations()}


@pytest.mark.parametrize(
    ("name", "operation", "replaced"),
    [("2 x 2", "MaxPoolGradGrad", "under XLA"), ("square root", "SqrtGrad", "under XLA")],
)
def test_elsewhere_tensorflows_own_operation_is_used(name, operation, replaced):
    case = (POOLS | COMPLEX)[name]
    assert operation in operations(case, None)
    assert operation in operations(case, False)
    assert operation not in operations(case, True)
