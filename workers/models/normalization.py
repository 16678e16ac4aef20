"""Normalization layers with a right second derivative.

Keras' BatchNormalization (in training), LayerNormalization and GroupNormalization go through
`tf.nn.moments`, whose variance stops the gradient of the mean: the first derivative is right, the
second is not, and second-order MAML silently trains on it. The layers here take their moments
with `reduce_mean`, or with TensorFlow's fused kernel (fused_batch_norm.py).
"""

from typing import Any

import keras
import tensorflow as tf

from workers.execution.portable_operations import is_portable
from workers.models.exact_normalization import has_padding, moments
from workers.models.fused_batch_norm import EPSILON, fused_batch_norm

_MOMENTUM = 0.99


class Normalization(keras.layers.Layer):
    """A layer that normalizes, then applies a learned scale and offset for each channel."""

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the scale and offset, [channels] each."""
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(shape=shape, initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta")

    def _scale_and_shift(
        self, inputs: tf.Tensor, mean: tf.Tensor, variance: tf.Tensor
    ) -> tf.Tensor:
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        return (inputs - mean) * (tf.math.rsqrt(variance + EPSILON) * gamma) + beta

    def _normalize(self, inputs: tf.Tensor, axes: list[int]) -> tf.Tensor:
        return self._scale_and_shift(inputs, *moments(inputs, axes))


class BatchNormalization(Normalization):
    """A layer that normalizes each channel over the batch.

    running: keep running statistics of the training batches, and normalize by these outside
      training. Without, every batch is normalized by its own statistics (transductive).
    """

    def __init__(self, running: bool = False, **options: Any):
        super().__init__(**options)
        self._running = running

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        """Make the running mean and variance, if there are any, beside scale and offset."""
        super().build(input_shape)
        if self._running:
            shape = (input_shape[-1],)
            self.mean = self.add_weight(
                shape=shape, initializer="zeros", trainable=False, name="mean"
            )
            self.variance = self.add_weight(
                shape=shape, initializer="ones", trainable=False, name="variance"
            )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Normalize inputs [batch, ..., channels]; the shape stays the same."""
        inputs = tf.convert_to_tensor(inputs)
        axes = list(range(inputs.shape.rank - 1))
        if self._running:
            if not training:
                statistics = tf.convert_to_tensor(self.mean), tf.convert_to_tensor(self.variance)
                return self._scale_and_shift(inputs, *statistics)
            current = moments(tf.stop_gradient(inputs), axes)
            for variable, new in zip((self.mean, self.variance), current, strict=True):
                old = tf.convert_to_tensor(variable)
                variable.assign(_MOMENTUM * old + (1 - _MOMENTUM) * tf.reshape(new, old.shape))
        fused = inputs.shape.rank == 4 and inputs.dtype == tf.float32
        if fused and not has_padding() and not is_portable():
            gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
            return fused_batch_norm(inputs, gamma, beta)
        return self._normalize(inputs, axes)


class LayerNormalization(Normalization):
    """A layer that normalizes each example by its mean and variance over all but the batch axis."""

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalize inputs [batch, ..., channels]; the shape stays the same."""
        inputs = tf.convert_to_tensor(inputs)
        return self._normalize(inputs, list(range(1, inputs.shape.rank)))


class GroupNormalization(Normalization):
    """A layer that normalizes each example over positions and a group of its channels.

    Source: Wu and He 2018, arXiv:1803.08494.
    """

    def __init__(self, groups: int, **options: Any):
        super().__init__(**options)
        self.groups = groups

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Normalize inputs [batch, ..., channels]; the shape stays the same."""
        inputs = tf.convert_to_tensor(inputs)
        *outer, channels = inputs.shape[1:]
        grouped = tf.reshape(inputs, [-1, *outer, self.groups, channels // self.groups])
        axes = [*range(1, 1 + len(outer)), grouped.shape.rank - 1]
        mean, variance = moments(grouped, axes)
        standard = (grouped - mean) * tf.math.rsqrt(variance + EPSILON)
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        return tf.reshape(standard, tf.shape(inputs)) * gamma + beta


def make_normalization(settings: Any, name: str) -> Any:
    """Make the layer that `settings.normalization` names; "none" is the identity."""
    kind = settings.normalization
    if kind == "batch":
        return BatchNormalization(running=settings.statistics == "running", name=name)
    if kind == "group":
        return GroupNormalization(settings.groups, name=name)
    if kind == "layer":
        return LayerNormalization(name=name)
    return keras.layers.Identity(name=name)
