"""Models that end in an activation which the loss applies itself."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf


def ends_in(activation: str, model: Any, outputs: tf.Tensor) -> bool:
    """Tell whether a model's outputs are those of "softmax" or "sigmoid"; "" is never so.

    Args:
      outputs: [.., outputs], of any inputs.
    """
    layers = list(model._flatten_layers())
    activations = [getattr(layer, "activation", None) for layer in layers]
    if activation == "softmax":
        has_layer = any(isinstance(layer, keras.layers.Softmax) for layer in layers)
        has_any = has_layer or keras.activations.softmax in activations
        return has_any and bool(np.allclose(tf.reduce_sum(outputs, -1), 1))
    if activation == "sigmoid":
        within = bool(np.all((np.asarray(outputs) >= 0) & (np.asarray(outputs) <= 1)))
        return within and activations[-1] is keras.activations.sigmoid
    return False
