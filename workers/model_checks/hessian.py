"""A layer's Hessian times a direction in a model: by differentiation, and by finite differences.

For f = sum(r y + y^2 / 2) over a layer's outputs y, at random inputs and weights z, and a random
direction v, the Hessian times v is computed by differentiating <grad f, v>, in float64 or float32,
and in float64 by central differences of grad f along v. With step 1e-8 these err by about 1e-8, and
seldom cross a kink (of relu, for example). A deep network has such high curvature that it needs a
smaller step: where the quotients of two steps agree, they are the derivative; where none agree, the
result is unknown.
"""

import itertools
from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.model_checks.in_float64 import stateless

Objective = Callable[[Sequence[tf.Tensor]], tf.Tensor]

#: Steps of the differences, and the relative error up to which a second derivative is right.
_STEPS, _BOUND = (1e-8, 1e-10, 1e-12, 1e-9, 1e-11), 1e-4
#: The same for layers with a part that always computes in float32.
_COARSE_STEPS, _COARSE_BOUND = (1e-3, 1e-4, 1e-2), 1e-2
#: It is wrong only if its error is this many times the difference of two steps' quotients.
_SPREADS = 10

Outcome = Literal["right", "wrong", "unknown"]


class LayerCall(NamedTuple):
    """A call of a layer, or of an operation in a graph of layers.

    layer: the layer or operation.
    arguments, options: positional and keyword arguments.
    touched: whether its inputs depend on weights.
    """

    layer: Any
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    touched: bool

    @property
    def matters(self) -> bool:
        """Whether any gradient passes through it."""
        return bool(self.touched or self.weights)

    @property
    def weights(self) -> list[Any]:
        """The trainable variables."""
        return list(getattr(self.layer, "trainable_variables", ()))

    @property
    def inner_layers(self) -> list[Any]:
        """The layers inside its layer, at any depth."""
        if not isinstance(self.layer, keras.layers.Layer):
            return []
        return list(self.layer._flatten_layers(include_self=False))


def record_calls(model: keras.Model, inputs: tf.Tensor) -> list[LayerCall]:
    """Record each call that a call of the model makes: inner calls first, the model last."""
    layer_class: Any = keras.layers.Layer
    operation_class: Any = keras.Operation
    of_layer, of_operation = layer_class.__call__, operation_class.__call__
    calls, fixed = list[LayerCall](), [inputs]  # fixed: tensors that depend on no weight

    def recorded(layer: Any, outputs: Any, arguments: Any, options: Any) -> Any:
        training = {"training": True} if getattr(layer, "_call_has_training_arg", False) else {}
        floats = [x for x in tf.nest.flatten((arguments, options)) if _is_float(x)]
        touched = not all(any(x is tensor for tensor in fixed) for x in floats)
        calls.append(LayerCall(layer, arguments, {**options, **training}, touched))
        if not touched and not calls[-1].weights:
            fixed.extend(tf.nest.flatten(outputs))
        return outputs

    def call_layer(self: Any, *arguments: Any, **options: Any) -> Any:
        return recorded(self, of_layer(self, *arguments, **options), arguments, options)

    def call_operation(self: Any, *arguments: Any, **options: Any) -> Any:
        outputs = of_operation(self, *arguments, **options)
        if isinstance(self, layer_class):  # which was called as a layer
            return outputs
        return recorded(self, outputs, arguments, options)

    layer_class.__call__, operation_class.__call__ = call_layer, call_operation
    try:
        with keras.StatelessScope():
            model(inputs, training=True)
    finally:
        layer_class.__call__, operation_class.__call__ = of_layer, of_operation
    return [*calls[:-1], LayerCall(model, (inputs,), {"training": True}, False)]


def setting(call: LayerCall, seed: int) -> tuple[Objective, list[tf.Tensor], list[tf.Tensor]]:
    """Make f, a point, and a direction."""
    rng = np.random.default_rng(seed)
    objective, start = as_function(call, rng, tf.float64)
    point = [tf.constant(value + 0.1 * rng.normal(size=value.shape)) for value in start]
    return objective, point, [tf.constant(rng.normal(size=x.shape)) for x in start]


def along(objective: Objective, v: Sequence[tf.Tensor]) -> Objective:
    """Make the function <grad f, v> of the point."""

    def slope(values: Sequence[tf.Tensor]) -> tf.Tensor:
        slopes = zip(gradient_of(objective, values), v, strict=True)
        return tf.add_n([tf.reduce_sum(g * d) for g, d in slopes])

    return slope


def compare(call: LayerCall, seed: int) -> tuple[Outcome, float]:
    """Compare the second derivative with finite differences, in float64.

    Returns:
      the outcome; the error, relative to the larger of the two.
    Raises:
      LookupError: there is no second derivative.
    """
    objective, point, v = setting(call, seed)
    exact = flat(gradient_of(along(objective, v), point))
    quotients = _Quotients(objective, point, v, exact)
    best = quotients.best_of(_STEPS[:1])
    if quotients.no_slope and _varies(objective, point, v):
        raise LookupError("nor a first one")
    if best < _BOUND:
        return "right", best
    if rounds(objective, point):
        quotients = _Quotients(objective, point, v, exact)
        bound, steps = _COARSE_BOUND, list(_COARSE_STEPS)
    else:
        bound, steps = _BOUND, list(_STEPS[1:])
    for step in steps:
        if quotients.best_of([step]) < bound:
            return "right", quotients.best
    error, spread = quotients.steadiest()
    return "wrong" if error > _SPREADS * spread else "unknown", error


class _Quotients:
    """Difference quotients of grad f along v, by step, compared with the exact derivative."""

    def __init__(
        self,
        objective: Objective,
        point: Sequence[tf.Tensor],
        v: Sequence[tf.Tensor],
        exact: NDArray[np.float64],
    ):
        self._objective, self._exact = objective, exact
        self._lines = list(zip(point, v, strict=True))
        self._by_step = dict[float, NDArray[np.float64]]()
        self._errors = dict[float, float]()
        self._least = 1e-9
        self.no_slope = True  # grad f was 0 at all points so far

    @property
    def best(self) -> float:
        """The smallest relative error so far."""
        return min(self._errors.values())

    def best_of(self, steps: Sequence[float]) -> float:
        """Compute the quotients of more steps; return the smallest relative error so far."""
        for step in steps:
            ahead, behind = (
                flat(gradient_of(self._objective, [z + sign * step * d for z, d in self._lines]))
                for sign in (1, -1)
            )
            self.no_slope = self.no_slope and not ahead.any()
            self._least = max(1e-3 * float(np.linalg.norm(ahead)), 1e-9)
            self._by_step[step] = (ahead - behind) / (2 * step)
            self._errors[step] = _distance(self._exact, self._by_step[step], self._least)
        return self.best

    def steadiest(self) -> tuple[float, float]:
        """Find where two neighbouring steps agree best: the error there, and their distance."""
        spreads = {
            one: _distance(self._by_step[one], self._by_step[other], self._least)
            for one, other in itertools.pairwise(sorted(self._by_step))
        }
        step = min(spreads, key=spreads.__getitem__)
        return self._errors[step], spreads[step]


def _varies(objective: Objective, point: Sequence[tf.Tensor], v: Sequence[tf.Tensor]) -> bool:
    """Tell whether f changes along v, and not in jumps."""
    slopes = []
    for step in (1e-3, 1e-4) if rounds(objective, point) else (1e-6, 1e-9):
        ahead, behind = (
            float(objective([z + sign * step * d for z, d in zip(point, v, strict=True)]))
            for sign in (1, -1)
        )
        slopes.append((ahead - behind) / (2 * step))
    return bool(slopes[0]) and abs(slopes[0] - slopes[1]) < 0.1 * abs(slopes[0])


def rounds(objective: Objective, point: Sequence[tf.Tensor]) -> bool:
    """Tell whether f at the point is computed with less precision than float64 in some part."""
    function = tf.function(lambda *values: objective(values), autograph=False)
    traced = function.get_concrete_function(*point)
    operations = traced.graph.get_operations()
    depends = {tensor.op.name for tensor in traced.inputs[: len(point)]}
    for operation in operations:
        if any(tensor.op.name in depends for tensor in operation.inputs):
            depends.add(operation.name)
    needed = {tensor.op.name for tensor in traced.outputs}
    for operation in reversed(operations):
        if operation.name in needed:
            needed.update(tensor.op.name for tensor in operation.inputs)
    both = depends & needed
    return any(
        output.dtype.is_floating and output.dtype != tf.float64
        for operation in operations
        if operation.name in both
        for output in operation.outputs
    )


def _distance(one: NDArray[np.float64], other: NDArray[np.float64], least: float) -> float:
    """Compute the distance relative to the larger one, or to `least`; inf if one is not finite."""
    sizes = (float(np.linalg.norm(vector)) for vector in (one, other))
    distance = float(np.linalg.norm(one - other)) / max(*sizes, least)
    return distance if np.isfinite(distance) else np.inf


def as_function(
    call: LayerCall, rng: np.random.Generator, dtype: Any
) -> tuple[Objective, list[NDArray[np.float64]]]:
    """Make f as a function of the inputs and weights of a call, and list their values there.

    The inputs come first, see `num_inputs`.
    """
    inputs = tf.nest.flatten((call.arguments, call.options))
    inputs = [tf.cast(value, dtype) if _is_float(value) else value for value in inputs]
    places = [i for i, value in enumerate(inputs) if _is_float(value)]
    if not call.touched:
        places = []
    weights = call.weights
    factors: dict[tuple[int, ...], NDArray[np.float64]] = {}  # no tensors, which belong to a graph

    def objective(values: Sequence[tf.Tensor]) -> tf.Tensor:
        filled = list(inputs)
        for i, value in zip(places, values, strict=False):
            filled[i] = value
        arguments, options = tf.nest.pack_sequence_as((call.arguments, call.options), filled)
        of_weights = zip(weights, values[len(places) :], strict=True)
        frozen = getattr(call.layer, "non_trainable_variables", ())
        with stateless(frozen, of_weights, dtype):
            outputs = tf.nest.flatten(call.layer(*arguments, **options))
        total = tf.zeros([], dtype)
        for output in filter(_is_float, outputs):
            shape = tuple(output.shape)
            if shape not in factors:
                factors[shape] = rng.normal(size=shape)
            y = tf.cast(output, dtype)
            total += tf.reduce_sum(tf.constant(factors[shape], dtype) * y + tf.square(y) / 2)
        return total

    values = [*(inputs[i] for i in places), *weights]
    return objective, [np.asarray(value, np.float64) for value in map(tf.convert_to_tensor, values)]


def gradient_of(objective: Objective, point: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Differentiate f; 0 where it does not depend on a part of the point."""
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = objective(point)
    return list(tape.gradient(value, point, unconnected_gradients="zero"))


def flat(arrays: Sequence[tf.Tensor]) -> NDArray[np.float64]:
    """Join arrays to one vector."""
    return np.concatenate([np.ravel(array) for array in arrays])


def _is_float(value: Any) -> bool:
    return isinstance(value, tf.Tensor) and value.dtype.is_floating
