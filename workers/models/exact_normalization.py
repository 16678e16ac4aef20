"""Exact second derivatives for Keras' own normalization layers in a user's model.

BatchNormalization, LayerNormalization and GroupNormalization all take their moments from one
function of Keras' TensorFlow backend, built on `tf.nn.moments`, whose variance stops the gradient
of the mean: the first derivative is right, the second is not. During a call of the model, metatrain
replaces that function. The layers, their subclasses and subclassed models stay as they are.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from keras.src.backend.tensorflow import nn as keras_nn

_LOCK = threading.RLock()


@contextlib.contextmanager
def exact_normalization(batch_statistics: bool) -> Iterator[None]:
    """Make Keras' normalization layers differentiable twice within.

    Args:
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
        try:
            yield
        finally:
            keras_nn._compute_moments, layer.call = moments, call


def _moments(x: tf.Tensor, axes: Any, keepdims: bool) -> tuple[tf.Tensor, tf.Tensor]:
    """Compute mean and variance over `axes`, in place of the function of Keras."""
    mean = tf.reduce_mean(x, axes, keepdims=True)
    variance = tf.reduce_mean(tf.square(x - mean), axes, keepdims=True)
    if keepdims:
        return mean, variance
    return tf.squeeze(mean, axes), tf.squeeze(variance, axes)
