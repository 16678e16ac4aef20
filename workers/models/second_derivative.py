"""Finds layers whose second derivative is missing or wrong, before MAML trains on it.

That an operation has a second derivative proves nothing: `tf.nn.moments` has a wrong one, silently.
So each is compared with finite differences of the first one, in float64.

For f = sum(r y + y^2 / 2) over a layer's outputs y, at random inputs and weights z, and a random
direction v, the Hessian times v is computed by differentiating <grad f, v> and by central
differences of grad f along v. With step 1e-8 these err by about 1e-8, and seldom cross a kink (of
relu, say) on the way: a layer counts as wrong if it is wrong at each of three points.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.models.exact_normalization import exact_normalization
from workers.models.in_float64 import in_float64, stateless

Objective = Callable[[Sequence[tf.Tensor]], tf.Tensor]

_STEP, _BOUND, _POINTS, _EXAMPLES = 1e-8, 1e-4, 3, 3
#: What TensorFlow and Keras raise in a layer that computes in float32 alone.
_NOT_IN_FLOAT64 = (TypeError, ValueError, tf.errors.OpError)


class _Call(NamedTuple):
    """A call of a layer; whether its inputs depend on weights."""

    layer: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    differentiates_inputs: bool


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found: the innermost layer at fault and why, and the layers not looked at.

    layer: None if no layer is at fault. unchecked: classes that do not compute in float64.
    """

    layer: Any = None
    reason: str = ""
    unchecked: list[str] = field(default_factory=list)


def check_second_derivative(
    model: keras.Model, input_shape: tuple[int, ...], batch_statistics: bool
) -> Verdict:
    """Look at the second derivative of each layer of `model`.

    Args:
      input_shape: of one example, float.
      batch_statistics: as for `exact_normalization`, under which the layers are called.
    """
    inputs = np.random.default_rng(0).normal(size=(_EXAMPLES, *input_shape)).astype(np.float32)
    with exact_normalization(batch_statistics):
        calls = record_calls(model, tf.constant(inputs))
        unchecked = list[str]()
        with in_float64(model):
            if _is_right(calls[-1]):  # the whole model first: most are
                return Verdict()
            for call in calls:
                try:
                    reason = _what_is_wrong(call)
                except _NOT_IN_FLOAT64:
                    if not call.layer._layers or (call is calls[-1] and not unchecked):
                        unchecked.append(type(call.layer).__name__)
                    continue
                if reason:
                    return Verdict(call.layer, reason)
    return Verdict(unchecked=sorted(set(unchecked)))


def record_calls(model: keras.Model, inputs: tf.Tensor) -> list[_Call]:
    """Each call that a call of the model makes, inner ones first, the model last."""
    base: Any = keras.layers.Layer
    original, calls = base.__call__, list[_Call]()
    fixed = [inputs]  # what no weight has touched

    def recorded(layer: Any, *arguments: Any, **options: Any) -> Any:
        outputs = original(layer, *arguments, **options)
        asks = {"training": True} if layer._call_has_training_arg else {}
        given = [x for x in tf.nest.flatten((arguments, options)) if _is_float(x)]
        touched = not all(any(x is known for known in fixed) for x in given)
        calls.append(_Call(layer, arguments, {**options, **asks}, touched))
        if not touched and not layer.trainable_variables:
            fixed.extend(tf.nest.flatten(outputs))
        return outputs

    base.__call__ = recorded
    try:
        with keras.StatelessScope():
            model(inputs, training=True)
    finally:
        base.__call__ = original
    return [*calls[:-1], _Call(model, (inputs,), {"training": True}, False)]


def _is_right(call: _Call) -> bool:
    try:
        return not _what_is_wrong(call)
    except _NOT_IN_FLOAT64:
        return False


def _what_is_wrong(call: _Call) -> str:
    """Why a layer cannot be differentiated twice where it is called; "" if it can."""
    if not (call.differentiates_inputs or call.layer.trainable_variables):
        return ""
    try:
        error = min(_error(call, seed) for seed in range(_POINTS))
    except LookupError as missing:
        return f"no second derivative ({str(missing).splitlines()[0]})"
    if error < _BOUND:
        return ""
    return f"a missing or wrong second derivative, off by {100 * error:.3g} %"


def _error(call: _Call, seed: int) -> float:
    """How far the second derivative is from finite differences, relative to the larger one."""
    rng = np.random.default_rng(seed)
    objective, start = _as_function(call, rng)
    point = [tf.constant(value + 0.1 * rng.normal(size=value.shape)) for value in start]
    v = [tf.constant(rng.normal(size=value.shape)) for value in start]

    def along(values: Sequence[tf.Tensor]) -> tf.Tensor:
        slopes = zip(_gradient(objective, values), v, strict=True)
        return tf.add_n([tf.reduce_sum(g * d) for g, d in slopes])

    analytic = _flat(_gradient(along, point))
    ahead, behind = (
        _flat(_gradient(objective, [z + sign * _STEP * d for z, d in zip(point, v, strict=True)]))
        for sign in (1, -1)
    )
    numeric = (ahead - behind) / (2 * _STEP)
    sizes = [float(np.linalg.norm(vector)) for vector in (analytic, numeric, 1e-3 * ahead)]
    return float(np.linalg.norm(analytic - numeric)) / max(*sizes, 1e-9)


def _as_function(
    call: _Call, rng: np.random.Generator
) -> tuple[Objective, list[NDArray[np.float64]]]:
    """f of the inputs and weights of a call, and their values there."""
    given = tf.nest.flatten((call.arguments, call.options))
    given = [tf.cast(value, tf.float64) if _is_float(value) else value for value in given]
    places = [i for i, value in enumerate(given) if _is_float(value)]
    if not call.differentiates_inputs:
        places = []
    weights = call.layer.trainable_variables
    factors: dict[tuple[int, ...], tf.Tensor] = {}

    def objective(values: Sequence[tf.Tensor]) -> tf.Tensor:
        filled = list(given)
        for i, value in zip(places, values, strict=False):
            filled[i] = value
        arguments, options = tf.nest.pack_sequence_as((call.arguments, call.options), filled)
        of_weights = zip(weights, values[len(places) :], strict=True)
        with stateless(call.layer.non_trainable_variables, of_weights):
            outputs = tf.nest.flatten(call.layer(*arguments, **options))
        total = tf.zeros([], tf.float64)
        for output in filter(_is_float, outputs):
            shape = tuple(output.shape)
            if shape not in factors:
                factors[shape] = tf.constant(rng.normal(size=shape))
            y = tf.cast(output, tf.float64)
            total += tf.reduce_sum(factors[shape] * y + tf.square(y) / 2)
        return total

    values = [*(given[i] for i in places), *weights]
    return objective, [np.asarray(value, np.float64) for value in map(tf.convert_to_tensor, values)]


def _gradient(objective: Objective, point: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = objective(point)
    return list(tape.gradient(value, point, unconnected_gradients="zero"))


def _flat(arrays: Sequence[tf.Tensor]) -> NDArray[np.float64]:
    return np.concatenate([np.ravel(array) for array in arrays])


def _is_float(value: Any) -> bool:
    return isinstance(value, tf.Tensor) and value.dtype.is_floating
