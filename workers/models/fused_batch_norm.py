"""TensorFlow's fused batch normalization, with a second derivative of few operations.

TensorFlow's own second derivative is right too, but takes some 30 operations a layer, mostly
broadcasts of channel statistics to the full shape: a tenth of a second-order step of conv4.

Write x^ for the normalized inputs, s for 1 / sqrt(variance + epsilon), and P for the projection
that the normalization's Jacobian contains, P(z) = z - mean(z) - x^ mean(z x^). Then for upstream
gradients dy the first derivative is

    dx = gamma s P(dy)    dgamma = sum(dy x^)    dbeta = sum(dy)

and, for upstream gradients a, b, c of these three, using that P is symmetric and that the
derivatives of s and of mean(z x^) in x are -s^2 x^ / n and s P(z) / n,

    d dy    = gamma s P(a) + b x^ + c
    d x     = -gamma s (s mean(a P(dy)) x^ + mean(dy x^) P(a)) + (b - gamma s mean(a x^)) s P(dy)
    d gamma = s sum(a P(dy))

s P(z), sum(z x^) and sum(z) are what the fused kernel of the first derivative returns at gamma 1.
"""

from typing import Any

import tensorflow as tf

EPSILON = 1e-3


@tf.custom_gradient
def fused_batch_norm(inputs: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) -> Any:
    """Normalize by the statistics of the batch: float32 [n, h, w, c], [c], [c] -> [n, h, w, c].

    Differentiable twice in all three.
    """
    outputs, _, _, *statistics = tf.raw_ops.FusedBatchNormV3(
        x=inputs, scale=gamma, offset=beta, mean=[], variance=[], epsilon=EPSILON
    )

    def gradient(d_outputs: tf.Tensor) -> Any:
        return _backward(d_outputs, inputs, gamma, *statistics)

    return outputs, gradient


@tf.custom_gradient
def _backward(
    d_outputs: tf.Tensor, inputs: tf.Tensor, gamma: tf.Tensor, *statistics: tf.Tensor
) -> Any:
    """Compute the first derivative; `statistics` are functions of `inputs`, differentiated too."""
    first = _kernel(d_outputs, inputs, gamma, statistics)

    def gradient(a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) -> Any:
        axes = [0, 1, 2]
        centered = inputs - tf.reduce_mean(inputs, axes)
        scale = tf.math.rsqrt(tf.reduce_mean(tf.square(centered), axes) + EPSILON)
        ones = tf.ones_like(gamma)
        of_a, sum_a, _ = _kernel(a, inputs, ones, statistics)  # s P(a), sum(a x^)
        of_dy, sum_dy, _ = _kernel(d_outputs, inputs, ones, statistics)
        n = tf.cast(tf.size(inputs) // tf.size(gamma), inputs.dtype)
        d_gamma = tf.reduce_sum(a * of_dy, axes)
        d_d_outputs = gamma * of_a + (b * scale * centered + c)
        rate = gamma * scale / n
        d_inputs = (b - rate * sum_a) * of_dy - rate * (scale * d_gamma * centered + sum_dy * of_a)
        return d_d_outputs, d_inputs, d_gamma, *[None] * len(statistics)

    return first, gradient


def _kernel(
    d_outputs: tf.Tensor, inputs: tf.Tensor, gamma: tf.Tensor, statistics: tuple[tf.Tensor, ...]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Compute gamma s P(dy), sum(dy x^), sum(dy)."""
    mean, variance, extra = statistics
    return tf.raw_ops.FusedBatchNormGradV3(
        y_backprop=d_outputs,
        x=inputs,
        scale=gamma,
        reserve_space_1=mean,
        reserve_space_2=variance,
        reserve_space_3=extra,
        epsilon=EPSILON,
    )[:3]
