"""A layer's Hessian times a direction, where a model calls it: differentiated, and by differences.

For f = sum(r y + y^2 / 2) over a layer's outputs y, at random inputs and weights z, and a random
direction v, the Hessian times v is computed by differentiating <grad f, v>, in float64 or float32,
and in float64 by central differences of grad f along v. With step 1e-8 these err by about 1e-8, and
seldom cross a kink (of relu, say) on the way.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.models.in_float64 import stateless

Objective = Callable[[Sequence[tf.Tensor]], tf.Tensor]

_STEP = 1e-8


class LayerCall(NamedTuple):
    """A call of a layer; whether its inputs depend on weights."""

    layer: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    differentiates_inputs: bool

    @property
    def matters(self) -> bool:
        """Whether anything is differentiated through it."""
        return bool(self.differentiates_inputs or self.layer.trainable_variables)

    @property
    def inner_layers(self) -> list[Any]:
        """The layers within its layer, however deep."""
        return list(self.layer._flatten_layers(include_self=False))


def record_calls(model: keras.Model, inputs: tf.Tensor) -> list[LayerCall]:
    """Each call that a call of the model makes, inner ones first, the model last."""
    base: Any = keras.layers.Layer
    original, calls = base.__call__, list[LayerCall]()
    fixed = [inputs]  # what no weight has touched

    def recorded(layer: Any, *arguments: Any, **options: Any) -> Any:
        outputs = original(layer, *arguments, **options)
        asks = {"training": True} if layer._call_has_training_arg else {}
        given = [x for x in tf.nest.flatten((arguments, options)) if _is_float(x)]
        touched = not all(any(x is known for known in fixed) for x in given)
        calls.append(LayerCall(layer, arguments, {**options, **asks}, touched))
        if not touched and not layer.trainable_variables:
            fixed.extend(tf.nest.flatten(outputs))
        return outputs

    base.__call__ = recorded
    try:
        with keras.StatelessScope():
            model(inputs, training=True)
    finally:
        base.__call__ = original
    return [*calls[:-1], LayerCall(model, (inputs,), {"training": True}, False)]


class Derivatives(NamedTuple):
    """grad f, and the Hessian times a direction, each flat."""

    first: NDArray[np.float64]
    second: NDArray[np.float64]


def derivatives(call: LayerCall, seed: int, dtype: Any) -> Derivatives:
    """By differentiating once and twice, in float64 or float32."""
    objective, point, v = _setting(call, seed, dtype)
    found = _gradient(objective, point), _gradient(_along(objective, v), point)
    return Derivatives(*(_flat(arrays).astype(np.float64) for arrays in found))


def _setting(
    call: LayerCall, seed: int, dtype: Any
) -> tuple[Objective, list[tf.Tensor], list[tf.Tensor]]:
    """f, a point, and a direction: the same in each dtype."""
    rng = np.random.default_rng(seed)
    objective, start = _as_function(call, rng, dtype)
    point = [tf.constant(value + 0.1 * rng.normal(size=value.shape), dtype) for value in start]
    return objective, point, [tf.constant(rng.normal(size=x.shape), dtype) for x in start]


def _along(objective: Objective, v: Sequence[tf.Tensor]) -> Objective:
    """<grad f, v>, a function of the point."""

    def along(values: Sequence[tf.Tensor]) -> tf.Tensor:
        slopes = zip(_gradient(objective, values), v, strict=True)
        return tf.add_n([tf.reduce_sum(g * d) for g, d in slopes])

    return along


def relative_error(call: LayerCall, seed: int) -> float:
    """How far the second derivative is from finite differences, relative to the larger one."""
    objective, point, v = _setting(call, seed, tf.float64)
    differentiated = _flat(_gradient(_along(objective, v), point))
    ahead, behind = (
        _flat(_gradient(objective, [z + sign * _STEP * d for z, d in zip(point, v, strict=True)]))
        for sign in (1, -1)
    )
    numeric = (ahead - behind) / (2 * _STEP)
    sizes = [float(np.linalg.norm(vector)) for vector in (differentiated, numeric, 1e-3 * ahead)]
    return float(np.linalg.norm(differentiated - numeric)) / max(*sizes, 1e-9)


def _as_function(
    call: LayerCall, rng: np.random.Generator, dtype: Any
) -> tuple[Objective, list[NDArray[np.float64]]]:
    """f of the inputs and weights of a call, and their values there."""
    given = tf.nest.flatten((call.arguments, call.options))
    given = [tf.cast(value, dtype) if _is_float(value) else value for value in given]
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
        with stateless(call.layer.non_trainable_variables, of_weights, dtype):
            outputs = tf.nest.flatten(call.layer(*arguments, **options))
        total = tf.zeros([], dtype)
        for output in filter(_is_float, outputs):
            shape = tuple(output.shape)
            if shape not in factors:
                factors[shape] = tf.constant(rng.normal(size=shape), dtype)
            y = tf.cast(output, dtype)
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
