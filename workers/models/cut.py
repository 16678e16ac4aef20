"""Where a Keras model can be cut in two: in front of some of its layers."""

from collections.abc import Sequence
from typing import Any

import keras


def features_of(model: keras.Model, heads: Sequence[keras.layers.Layer]) -> list[Any]:
    """What the rest of `model` gives to `heads`, and to what follows them.

    Args:
      model: a graph of layers; `heads` are some of these.
    Returns:
      the symbolic tensors, each once, that are the same whatever the weights of `heads` are, and
      from which and those weights alone the model's outputs follow.
    """
    named = {id(layer) for layer in heads}
    follows: set[int] = set()
    features: dict[int, Any] = {}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            inputs = node.input_tensors
            if id(node.operation) in named or any(id(tensor) in follows for tensor in inputs):
                follows |= {id(tensor) for tensor in node.outputs}
                features |= {id(tensor): tensor for tensor in inputs if id(tensor) not in follows}
    return list(features.values())
