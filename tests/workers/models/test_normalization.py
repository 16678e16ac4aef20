import numpy as np
import pytest
import tensorflow as tf
from precision import in_float64
from small_tasks import FRESH, task

from workers.algorithms.maml import MamlAlgorithm
from workers.inner.losses import Objective
from workers.models.conv4 import Conv4Model
from workers.models.fused_batch_norm import EPSILON, fused_batch_norm
from workers.models.normalization import BatchNormalization, LayerNormalization
from workers.models.registry import make_model

WAYS, SHAPE = 3, (16, 16, 1)
SETTINGS = Conv4Model(filters=4)


def problem(dtype):
    """conv4 in `dtype`, weights near its initialisation, and an episode."""
    rng = np.random.default_rng(7)
    model = make_model(SETTINGS, SHAPE, WAYS)
    starts = {"gamma": 1.0}
    theta = [
        tf.constant(starts.get(name.split("/")[1], 0.0) + 0.3 * rng.normal(size=shape), dtype)
        for name, shape in zip(model.names, model.shapes, strict=True)
    ]
    inputs = tf.constant(rng.normal(size=(2, 6, *SHAPE)), dtype)
    targets = tf.constant(np.arange(12).reshape(2, 6) % WAYS, tf.int32)
    one = task((inputs[0], targets[0]), (inputs[1], targets[1]))
    return Objective(model, "cross_entropy", "mean", WAYS), theta, one


def loss_and_gradients(objective, theta, one):
    """The support loss, its gradient, and MAML's second-order gradient."""
    with tf.GradientTape() as tape:
        tape.watch(theta)
        loss, _ = objective.inner(theta, [], one.support_inputs, one.support_targets)
    settings = MamlAlgorithm(inner_lr=0.25, inner_steps=2)
    outer, _, _ = settings.outer_gradient(objective, theta, FRESH, one)
    return loss.numpy(), *(
        np.concatenate([np.ravel(g) for g in gradient])
        for gradient in (tape.gradient(loss, theta), outer)
    )


def operations(objective, theta, one):
    graph = tf.function(lambda: objective.inner(theta, [], *one[:2]))
    return {op.type for op in graph.get_concrete_function().graph.get_operations()}


def test_the_fused_float32_kernel_equals_the_float64_formula():
    """The finite differences are float64, so this ties the path that runs use to them."""
    with in_float64():
        exact_problem = problem(tf.float64)
        exact = loss_and_gradients(*exact_problem)
        assert "FusedBatchNormV3" not in operations(*exact_problem)
    fused_problem = problem(tf.float32)
    fused = loss_and_gradients(*fused_problem)
    assert "FusedBatchNormV3" in operations(*fused_problem)
    for ours, theirs in zip(fused, exact, strict=True):
        assert ours.dtype == np.float32
        assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)


@pytest.mark.parametrize("gamma", [0.0, 1.0, -2.0])
def test_the_fused_second_derivative_is_that_of_the_formula_for_each_argument(gamma):
    """Gradients of a function of outputs and first derivatives, for a mean far from zero too."""
    rng = np.random.default_rng(3)
    inputs = 20 + 3 * rng.normal(size=(4, 3, 3, 2))
    weights = [rng.normal(size=inputs.shape) for _ in range(2)]

    def second_derivatives(dtype, normalize):
        arguments = [
            tf.constant(value, dtype)
            for value in (inputs, np.full(2, gamma), [0.5, -0.25], weights[0])
        ]
        with tf.GradientTape() as outer:
            outer.watch(arguments)
            x, scale, offset, upstream = arguments
            with tf.GradientTape() as inner:
                inner.watch([x, scale, offset])
                outputs = normalize(x, scale, offset)
                value = tf.reduce_sum(tf.tanh(outputs) * upstream)
            of_x, of_scale, of_offset = inner.gradient(value, [x, scale, offset])
            total = tf.reduce_sum(of_x * tf.constant(weights[1], dtype))
            total += tf.reduce_sum(0.3 * of_scale - 0.7 * of_offset)
        return [gradient.numpy() for gradient in outer.gradient(total, arguments)]

    def formula(x, scale, offset):
        centered = x - tf.reduce_mean(x, [0, 1, 2])
        variance = tf.reduce_mean(tf.square(centered), [0, 1, 2])
        return centered * tf.math.rsqrt(variance + EPSILON) * scale + offset

    exact = second_derivatives(tf.float64, formula)
    fused = second_derivatives(tf.float32, fused_batch_norm)
    for ours, theirs in zip(fused, exact, strict=True):
        assert np.linalg.norm(ours - theirs) < 1e-4 * np.linalg.norm(theirs)


@pytest.mark.parametrize("shape", [(6, 5), (6, 4, 4, 3)])
def test_batch_normalization_gives_each_channel_mean_beta_and_deviation_gamma(shape):
    inputs = np.random.default_rng(0).normal(3, 2, shape).astype(np.float32)
    layer = BatchNormalization()
    layer.build(shape)
    channels = shape[-1]
    gamma, beta = np.arange(1, channels + 1, dtype=np.float32), np.full(channels, 0.5, np.float32)
    layer.gamma.assign(gamma)
    layer.beta.assign(beta)
    outputs = layer(inputs).numpy().reshape(-1, channels)
    np.testing.assert_allclose(outputs.mean(axis=0), beta, atol=1e-5)
    np.testing.assert_allclose(outputs.std(axis=0), gamma, rtol=1e-3)


@pytest.mark.parametrize("shape", [(6, 50), (6, 4, 4, 3)])
def test_layer_normalization_treats_each_example_by_itself(shape):
    inputs = np.random.default_rng(0).normal(3, 2, shape).astype(np.float32)
    layer = LayerNormalization()
    outputs = layer(inputs).numpy()
    flat = outputs.reshape(len(outputs), -1)
    np.testing.assert_allclose(flat.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(flat.std(axis=1), 1, rtol=1e-3)
    np.testing.assert_allclose(layer(inputs[:2]).numpy(), outputs[:2], atol=1e-6)
