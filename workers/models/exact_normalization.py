"""Exact second derivatives for Keras' own normalization layers in a user's model.

BatchNormalization, LayerNormalization and GroupNormalization all take their moments from one
function of Keras' TensorFlow backend, built on `tf.nn.moments`, whose variance stops the gradient
of the mean: the first derivative is right, the second is not. During a call of the model, metatrain
replaces that function. The layers, their subclasses and subclassed models stay as they are.
"""

import contextlib
import threading
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.tensorflow import nn as keras_nn

_LOCK = threading.RLock()


# Which examples of the batch are none of padding, within a call of a model; None: all are.
_REAL: ContextVar[Any] = ContextVar("real", default=None)


@contextlib.contextmanager
def exact_normalization(batch_statistics: bool, real: tf.Tensor | None = None) -> Iterator[None]:
    """Make Keras' normalization layers differentiable twice within.

    Args:
      real: bool [n], which examples statistics over the batch are of; None: all. Keras' layers and
        those of metatrain heed it.
      batch_statistics: BatchNormalization normalizes by its batch, in training and otherwise;
        False: by its running statistics outside training, as in Keras. A frozen layer (`trainable
        = False`) uses its running statistics either way.
    """
    layer: Any = keras.layers.BatchNormalization
    with _LOCK:
        moments, call = keras_nn._compute_moments, layer.call

        def call_by_batch(
            self: Any, inputs: Any, training: bool | None = None, mask: Any = None
        ) -> Any:
            return call(self, inputs, training=True, mask=mask)

        keras_nn._compute_moments = _moments
        if batch_statistics:
            layer.call = call_by_batch
        token = _REAL.set(real)
        try:
            yield
        finally:
            _REAL.reset(token)
            keras_nn._compute_moments, layer.call = moments, call


def _moments(x: tf.Tensor, axes: Any, keepdims: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Compute mean and variance over `axes`, in place of the function of Keras."""
    mean, variance = moments(x, axes)
    if keepdims:
        return mean, variance
    return tf.squeeze(mean, axes), tf.squeeze(variance, axes)


def has_padding() -> bool:
    """Tell whether the call of the model is of a batch that some of is padding."""
    return _REAL.get() is not None


def moments(x: tf.Tensor, axes: Sequence[int]) -> tuple[tf.Tensor, tf.Tensor]:
    """Compute mean and variance over `axes`, with all axes kept; of examples without padding."""
    real = _REAL.get()
    if real is None or 0 not in axes:
        mean = tf.reduce_mean(x, axes, keepdims=True)
        return mean, tf.reduce_mean(tf.square(x - mean), axes, keepdims=True)
    shares = tf.cast(real, x.dtype) / tf.reduce_sum(tf.cast(real, x.dtype))
    shares = tf.reshape(shares, [-1] + [1] * (x.shape.rank - 1))
    within = [axis for axis in axes if axis != 0]

    def mean_of(values: tf.Tensor) -> tf.Tensor:
        by_example = tf.reduce_mean(values, within, keepdims=True)
        return tf.reduce_sum(shares * by_example, 0, keepdims=True)

    mean = mean_of(x)
    return mean, mean_of(tf.square(x - mean))
