"""Layers that a model and a submodel of it both call.

They train as one layer. Keras writes them into a file twice but their weights once, and cannot load
that file.
"""

from typing import Any

import keras
import numpy as np


def shared_layer(model: Any) -> tuple[str, str, str] | None:
    """Find the first layer in several (sub)models.

    Returns:
      its name and the names of two of the models; None: there is no such layer.
    """
    owners: dict[int, str] = {}
    for owner, layer in _owned(model, set()):
        first = owners.setdefault(id(layer), owner)
        if first != owner:
            return str(layer.name), first, owner
    return None


def untied(model: Any) -> Any:
    """Copy a model so that each submodel has its own layers; the outputs are the same.

    Raises:
      ValueError: Keras cannot clone the model.
    """
    clone = keras.models.clone_model(model)
    _copy_weights(model, clone)
    return clone


def _owned(model: Any, visited: set[int]) -> list[tuple[str, Any]]:
    """List (name of the model, layer) of a model and of the models in it, each model once."""
    if id(model) in visited:
        return []
    visited.add(id(model))
    pairs = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        pairs.append((str(model.name), layer))
        if isinstance(layer, keras.Model):
            pairs += _owned(layer, visited)
    return pairs


def _copy_weights(model: Any, clone: Any) -> None:
    for layer, copy in zip(model.layers, clone.layers, strict=True):
        if isinstance(layer, keras.Model):
            _copy_weights(layer, copy)
        else:
            copy.set_weights([np.asarray(value) for value in layer.get_weights()])
