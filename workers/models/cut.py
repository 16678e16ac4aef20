"""Where a Keras model can be cut in two: in front of some of its layers."""

from collections.abc import Sequence
from typing import Any

import keras


def features_of(model: keras.Model, heads: Sequence[keras.layers.Layer]) -> list[Any]:
    """Find the features of `model`: what its rest passes to `heads` and the layers behind them.

    Args:
      model: a graph of layers.
      heads: some of its layers.
    Returns:
      the symbolic tensors, each once, that do not depend on the weights of `heads`, and that
      determine the model's outputs together with these weights.
    """
    head_ids = {id(layer) for layer in heads}
    follows: set[int] = set()
    features: dict[int, Any] = {}
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            inputs = node.input_tensors
            if id(node.operation) in head_ids or any(id(tensor) in follows for tensor in inputs):
                follows |= {id(tensor) for tensor in node.outputs}
                features |= {id(tensor): tensor for tensor in inputs if id(tensor) not in follows}
    return list(features.values())
