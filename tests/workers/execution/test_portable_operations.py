"""Operations for export: the values and first derivatives of TensorFlow's own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from workers.execution.portable_operations import is_portable, portable_operations

RNG = np.random.default_rng(0)


def both(function, *arrays):
    """Values and gradients of sum(weights * function), by TensorFlow's own and by ours."""
    results = []
    for portable in (False, True):

        def graph(*inputs):
            with tf.GradientTape() as tape:
                tape.watch(inputs)
                outputs = function(*inputs)
                weights = tf.cos(tf.range(tf.size(outputs), dtype=tf.float32))
                weights = tf.reshape(weights, outputs.shape)
                total = tf.reduce_sum(weights * outputs)
            return [outputs, *tape.gradient(total, inputs)]

        traced = tf.function(graph, autograph=False)
        shapes = [tf.TensorSpec(array.shape) for array in arrays]
        if portable:
            with portable_operations():
                assert is_portable()
                concrete = traced.get_concrete_function(*shapes)
        else:
            concrete = traced.get_concrete_function(*shapes)
        names = {node.op for node in concrete.graph.as_graph_def().node}
        results.append((names, [value.numpy() for value in concrete(*map(tf.constant, arrays))]))
    assert not is_portable()
    return results


def check(function, lacking, *arrays):
    (own_names, own), (names, ours) = both(function, *arrays)
    assert lacking & own_names
    assert not lacking & names
    for expected, value in zip(own, ours, strict=True):
        np.testing.assert_allclose(value, expected, rtol=1e-5, atol=1e-5)


def numbers(*shape):
    return RNG.normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("size", [(3, 3), (1, 2)])
def test_convolutions(padding, stride, size):
    check(
        lambda x, k: tf.nn.conv2d(x, k, stride, padding),
        {"Conv2DBackpropFilter"},
        numbers(2, 7, 8, 3),
        numbers(*size, 3, 4),
    )


@pytest.mark.parametrize("padding", ["SAME", "VALID"])
@pytest.mark.parametrize("shape", [(6, 8), (7, 5)])
def test_max_pooling(padding, shape):
    x = np.round(numbers(2, *shape, 3), 1)  # with ties
    check(lambda x: tf.nn.max_pool2d(x, 2, 2, padding), {"MaxPoolGrad"}, x)


@pytest.mark.parametrize(
    ("function", "lacking"),
    [
        (lambda x: tf.nn.relu(x), "ReluGrad"),
        (lambda x: tf.nn.relu6(x), "Relu6Grad"),
        (tf.nn.leaky_relu, "LeakyReluGrad"),
        (keras.layers.ReLU(), "ReluGrad"),
    ],
)
def test_rectifiers(function, lacking):
    check(function, {lacking}, 4 * numbers(5, 6))


def test_a_rectifier_is_a_choice():
    """The converter for LiteRT drops others, see findings/litert_relu_dropped.sh."""
    for function in (lambda x: tf.nn.relu(x), keras.layers.ReLU(), keras.activations.relu):
        (own, _), (names, _) = both(function, numbers(2, 3))
        assert "Relu" in own
        assert "Relu" not in names
        assert "SelectV2" in names


@pytest.mark.parametrize(
    "call",
    [
        lambda x: tf.nn.conv2d(x, tf.ones([3, 3, 4, 2]), 1, "SAME", dilations=2),
        lambda x: tf.nn.conv2d(x, tf.ones([3, 3, 2, 2]), 1, "SAME"),
        lambda x: tf.gradients(tf.nn.max_pool2d(x, 3, 2, "SAME"), x)[0],
    ],
)
def test_what_this_is_not_written_for_is_refused(call):
    with portable_operations(), pytest.raises(NotImplementedError, match=r"convolution|overlap"):
        tf.function(call, autograph=False).get_concrete_function(tf.TensorSpec([1, 8, 8, 4]))
