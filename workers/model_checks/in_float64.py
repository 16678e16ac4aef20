"""Calls of a float32 Keras model in float64, for checks that need the precision."""

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras.src.models.functional import Functional


@contextlib.contextmanager
def in_float64(model: keras.Model) -> Iterator[None]:
    """Make all layers of the model compute in float64 within; set their values by `stateless`."""
    layers = list(model._flatten_layers())
    policies = [layer.dtype_policy for layer in layers]
    policy: Any = keras.DTypePolicy
    convert_input, convert_inputs = policy.convert_input, Functional._convert_inputs_to_tensors

    def to_float64(self: Any, x: Any, autocast: bool, dtype: str) -> Any:
        floats = keras.backend.is_float_dtype(dtype)
        return convert_input(self, x, autocast, "float64" if floats else dtype)

    try:
        for layer in layers:
            layer.dtype_policy = "float64"
        # Models convert their arguments to the type of their declared inputs.
        policy.convert_input = to_float64
        Functional._convert_inputs_to_tensors = lambda self, inputs: inputs
        yield
    finally:
        policy.convert_input = convert_input
        Functional._convert_inputs_to_tensors = convert_inputs
        for layer, original in zip(layers, policies, strict=True):
            layer.dtype_policy = original


def stateless(
    variables: Sequence[Any], values: Iterable[tuple[Any, tf.Tensor]], dtype: Any = tf.float64
) -> Any:
    """Make a scope in which variables have float64 values, which Keras would cast back.

    Args:
      variables: variables that keep their own values; integers stay integers.
      values: pairs of a variable and its value within.
      dtype: of the floats among `variables`.
    """
    scope = keras.StatelessScope()
    for variable in variables:
        value = tf.convert_to_tensor(variable.value)
        floats = value.dtype.is_floating
        scope.state_mapping[id(variable)] = tf.cast(value, dtype) if floats else value
    scope.state_mapping |= {id(variable): value for variable, value in values}
    return scope
