"""Normalization whose second derivative is right.

Keras' BatchNormalization (in training), LayerNormalization and GroupNormalization go through
`tf.nn.moments`, whose variance stops the gradient of the mean: the first derivative is right, the
second is not, and second-order MAML silently trains on it. The layers here take their moments
with `reduce_mean`, or with TensorFlow's fused kernel, which has a second derivative of its own.
"""

from typing import Any

import keras
import tensorflow as tf

from workers.models.fused_batch_norm import EPSILON, fused_batch_norm


class _Normalization(keras.layers.Layer):
    """A learned scale and offset for each channel, after whatever is normalized."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Scale and offset, [channels] each."""
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta")

    def _normalize(self, inputs: tf.Tensor, axes: list[int]) -> tf.Tensor:
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        centered = inputs - tf.reduce_mean(inputs, axes, keepdims=True)
        variance = tf.reduce_mean(tf.square(centered), axes, keepdims=True)
        return centered * (tf.math.rsqrt(variance + EPSILON) * gamma) + beta


class BatchNormalization(_Normalization):
    """Normalize each channel by the statistics of the batch that it is given (transductive)."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[batch, ..., channels] -> the same shape."""
        inputs = tf.convert_to_tensor(inputs)
        if inputs.shape.rank == 4 and inputs.dtype == tf.float32:
            gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
            return fused_batch_norm(inputs, gamma, beta)
        return self._normalize(inputs, list(range(inputs.shape.rank - 1)))


class LayerNormalization(_Normalization):
    """Normalize each example by its own mean and variance over all but the batch axis."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """[batch, ..., channels] -> the same shape."""
        inputs = tf.convert_to_tensor(inputs)
        return self._normalize(inputs, list(range(1, inputs.shape.rank)))


def make_normalization(kind: str, name: str) -> Any:
    """The layer of that kind; "none" is the identity."""
    if kind == "none":
        return keras.layers.Identity(name=name)
    return {"batch": BatchNormalization, "layer": LayerNormalization}[kind](name=name)
