"""Which calls of layers are looked at: a deep model calls alike ones again and again.

Only of Keras' own layers is it known what they compute: by their class and configuration.
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

#: Multiplications of all calls that are looked at, and what each takes beside its own.
_BUDGET, _OF_ANY_CALL = 2_000_000_000, 1_000_000


def first_of_each(calls: Iterable[LayerCall]) -> list[LayerCall]:
    """The calls, without those that compute what an earlier one does, from inputs as large."""
    seen = set[Hashable]()
    kept = list[LayerCall]()
    for call in calls:
        key = _key(call)
        if key is None or key not in seen:
            kept.append(call)
        seen.add(key)
    return kept


def affordable(calls: Sequence[LayerCall]) -> tuple[list[LayerCall], list[LayerCall]]:
    """The calls that together take some half a minute to look at, cheap ones first, and the rest.

    Both in their order. They follow from the model alone, not from how fast this machine is.
    """
    spent, chosen = 0, set[int]()
    for index in sorted(range(len(calls)), key=lambda index: _cost(calls[index])):
        spent += _cost(calls[index])
        if spent <= _BUDGET:
            chosen.add(index)
    looked_at = [call for index, call in enumerate(calls) if index in chosen]
    return looked_at, [call for index, call in enumerate(calls) if index not in chosen]


def is_graph(layer: Any) -> bool:
    """Whether it does nothing but call layers and operations, each of which is looked at itself."""
    return any(
        isinstance(layer, kind) and type(layer).call is kind.call and "call" not in vars(layer)
        for kind in (Functional, Sequential)
    )


def _cost(call: LayerCall) -> int:
    """Multiplications of a call, roughly: each weight at each place of an input."""
    given = tf.nest.flatten((call.arguments, call.options))
    shapes = [tuple(value.shape) for value in given if isinstance(value, tf.Tensor)]
    places = max((math.prod(shape[:-1]) for shape in shapes), default=1)
    weights = sum(math.prod(variable.shape) for variable in call.weights)
    return _OF_ANY_CALL + places * weights + sum(map(math.prod, shapes))


def _key(call: LayerCall) -> Hashable:
    """Equal where two calls compute the same; None: of its own."""
    layers = [call.layer, *call.inner_layers]
    lambdas = any(isinstance(layer, keras.layers.Lambda) for layer in layers)
    if lambdas or any(not type(layer).__module__.startswith("keras.src.") for layer in layers):
        return None
    try:
        config = {name: value for name, value in call.layer.get_config().items() if name != "name"}
        said = json.dumps(keras.saving.serialize_keras_object(config), sort_keys=True)
    except Exception:  # whatever functions of a user's within make of it
        return None
    code = tuple(identity for each in layers for identity in _code(each))
    given = tuple(_looks(value) for value in tf.nest.flatten((call.arguments, call.options)))
    weights = tuple(tuple(variable.shape) for variable in call.weights)
    return type(call.layer), said, code, given, weights, (*sorted(call.options), call.touched)


def _code(layer: Any) -> list[int]:
    """Identities of functions that it was given, which its configuration calls by name alone."""
    return [
        id(value)
        for name, value in vars(layer).items()
        if callable(value)
        and not type(value).__module__.startswith("keras.")
        and (name == "call" or not hasattr(type(layer), name))  # Keras wraps methods of its own
    ]


def _looks(value: Any) -> Hashable:
    if isinstance(value, tf.Tensor):
        return tuple(value.shape), value.dtype
    return repr(value)
