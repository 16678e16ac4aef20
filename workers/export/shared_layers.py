"""Layers that a model and a submodel of it both call.

They train as one. Keras writes them into a file twice and their weights once, and cannot load that.
"""

from typing import Any

import keras
import numpy as np


def shared_layer(model: Any) -> tuple[str, str, str] | None:
    """Of the first layer in several (sub)models: its name and those of two; None: there is none."""
    owners: dict[int, str] = {}
    for owner, layer in _owned(model, set()):
        first = owners.setdefault(id(layer), owner)
        if first != owner:
            return str(layer.name), first, owner
    return None


def untied(model: Any) -> Any:
    """The same answers from a model in which each submodel has layers of its own.

    Raises:
      ValueError: Keras cannot make another one of it.
    """
    clone = keras.models.clone_model(model)
    _take_over(model, clone)
    return clone


def _owned(model: Any, seen: set[int]) -> list[tuple[str, Any]]:
    """(name of the model, layer) of a model and of those in it, each model once."""
    if id(model) in seen:
        return []
    seen.add(id(model))
    found = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        found.append((str(model.name), layer))
        if isinstance(layer, keras.Model):
            found += _owned(layer, seen)
    return found


def _take_over(model: Any, clone: Any) -> None:
    for theirs, ours in zip(model.layers, clone.layers, strict=True):
        if isinstance(theirs, keras.Model):
            _take_over(theirs, ours)
        else:
            ours.set_weights([np.asarray(value) for value in theirs.get_weights()])
