"""The choice of layer calls to check: a deep model calls equal layers many times.

Two calls are known to compute the same only for Keras' own layers: by class and configuration.
"""

import json
import math
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.models.functional import Functional
from keras.src.models.sequential import Sequential

from workers.model_checks.hessian import LayerCall

#: Multiplications of all calls that are checked, and the overhead of each call.
_BUDGET, _OVERHEAD = 2_000_000_000, 1_000_000


def first_of_each(calls: Iterable[LayerCall]) -> list[LayerCall]:
    """Leave out calls that compute the same as an earlier one, from inputs of the same shape."""
    keys = set[Hashable]()
    distinct = list[LayerCall]()
    for call in calls:
        key = _key(call)
        if key is None or key not in keys:
            distinct.append(call)
        keys.add(key)
    return distinct


def affordable(calls: Sequence[LayerCall]) -> tuple[list[LayerCall], list[LayerCall]]:
    """Choose calls that together take about half a minute to check, the cheapest first.

    The choice depends on the model alone, not on the speed of this machine.

    Returns:
      the chosen calls and the rest, each in their original order.
    """
    spent, chosen = 0, set[int]()
    for index in sorted(range(len(calls)), key=lambda index: _cost(calls[index])):
        spent += _cost(calls[index])
        if spent <= _BUDGET:
            chosen.add(index)
    checked = [call for index, call in enumerate(calls) if index in chosen]
    return checked, [call for index, call in enumerate(calls) if index not in chosen]


def is_graph(layer: Any) -> bool:
    """Tell whether a layer only calls layers and operations, each of which is checked itself."""
    return any(
        isinstance(layer, kind) and type(layer).call is kind.call and "call" not in vars(layer)
        for kind in (Functional, Sequential)
    )


def _cost(call: LayerCall) -> int:
    """Estimate the multiplications of a call: each weight at each position of an input."""
    arguments = tf.nest.flatten((call.arguments, call.options))
    shapes = [tuple(value.shape) for value in arguments if isinstance(value, tf.Tensor)]
    places = max((math.prod(shape[:-1]) for shape in shapes), default=1)
    weights = sum(math.prod(variable.shape) for variable in call.weights)
    return _OVERHEAD + places * weights + sum(map(math.prod, shapes))


def _key(call: LayerCall) -> Hashable:
    """Make a key that is equal for two calls that compute the same; None: the call is unique."""
    layers = [call.layer, *call.inner_layers]
    lambdas = any(isinstance(layer, keras.layers.Lambda) for layer in layers)
    if lambdas or any(not type(layer).__module__.startswith("keras.src.") for layer in layers):
        return None
    try:
        config = {name: value for name, value in call.layer.get_config().items() if name != "name"}
        settings = json.dumps(keras.saving.serialize_keras_object(config), sort_keys=True)
    except Exception:  # a user's functions in the configuration may raise anything
        return None
    code = tuple(identity for layer in layers for identity in _code(layer))
    values = tf.nest.flatten((call.arguments, call.options))
    arguments = tuple(_description(value) for value in values)
    weights = tuple(tuple(variable.shape) for variable in call.weights)
    options = (*sorted(call.options), call.touched)
    return type(call.layer), settings, code, arguments, weights, options


def _code(layer: Any) -> list[int]:
    """List the identities of a layer's functions, which its configuration knows by name alone."""
    return [
        id(value)
        for name, value in vars(layer).items()
        if callable(value)
        and not type(value).__module__.startswith("keras.")
        and (name == "call" or not hasattr(type(layer), name))  # Keras wraps methods of its own
    ]


def _description(value: Any) -> Hashable:
    if isinstance(value, tf.Tensor):
        return tuple(value.shape), value.dtype
    return repr(value)
