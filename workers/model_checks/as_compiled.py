"""The derivatives of a layer as a block computes them: in float32, compiled, in a map over tasks.

They are compared with those in float64, computed one operation after another, which finite
differences have checked (second_derivative.py). Some kernels compare values that they have rounded,
so that one point has inputs that are nearly equal. At each point the error is compared with what
rounding explains: how much the derivative changes if the point changes by a few roundings.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.execution.compiled import Compiled
from workers.execution.exact_derivatives import exact_derivatives
from workers.model_checks.hessian import LayerCall, Objective, along, as_function, gradient_of
from workers.model_checks.in_float64 import in_float64

Vectors = list[NDArray[np.float64]]

_POINTS = 3
#: The largest input beside the smallest at the point with near ties, and the move of a point.
_NEAR, _MOVE = 0.004, 1e-6
#: Relative errors that are right anyway, and by how much rounding may exceed what a move changes.
_BOUND, _TIMES = 1e-3, 30.0
#: A point where a move changes more than this tells nothing.
_TOO_SENSITIVE = 3e-3


class _Points(NamedTuple):
    """f, points, and a direction at each: lists of arrays [points, ...], by input and weight."""

    objective: Objective
    at: Vectors
    directions: Vectors


class _Derivatives(NamedTuple):
    """The gradient of f, and its derivative along the direction, each [points, ...] and flat."""

    first: NDArray[np.float64]
    second: NDArray[np.float64]


def faults_as_compiled(
    model: keras.Model, calls: Sequence[LayerCall], execution: tuple[str, bool]
) -> tuple[list[tuple[Any, str]], set[str]]:
    """Find the innermost layers whose derivatives are others once they are compiled.

    Args:
      calls: of layers that are right in float64, inner ones first.
      execution: "map" or "vectorized", and whether XLA compiles.
    Returns:
      the layers at fault, each with the reason; the classes that could not be compiled by
      themselves.
    """
    compiled = _compiled(calls, execution)
    faults = list[tuple[Any, str]]()
    unchecked, wrong = set[str](), set[int]()
    for call, actual in zip(calls, compiled, strict=True):
        if actual is None:
            unchecked.add(type(call.layer).__name__)
        elif wrong & {id(layer) for layer in call.inner_layers}:
            continue
        elif reason := _fault(model, call, actual, execution):
            wrong.add(id(call.layer))
            faults.append((call.layer, reason))
    return faults, unchecked


def _fault(
    model: keras.Model, call: LayerCall, actual: _Derivatives, execution: tuple[str, bool]
) -> str:
    with exact_derivatives(xla=False):
        with in_float64(model):
            exact = _by_itself(call, tf.float64)
            moved = _by_itself(call, tf.float64, _MOVE)
        single = _by_itself(call, tf.float32)
    allowed = _allowed(moved.first, exact.first)
    if np.any(~(_errors(single.first, exact.first) <= allowed) & np.isfinite(allowed)):
        return ""  # it computes something else, as dropout does, which draws other numbers
    how = "under XLA" if execution[1] else "in float32"
    for order, ours, wanted, other in (
        ("first", actual.first, exact.first, moved.first),
        ("second", actual.second, exact.second, moved.second),
    ):
        errors = _errors(ours, wanted)
        allowed = _allowed(other, wanted)
        wrong = ~(errors <= allowed) & np.isfinite(allowed)  # NaN is wrong
        if wrong.any():
            return f"a wrong {order} derivative {how}, off by {100 * errors[wrong].max():.3g} %"
    return ""


def _allowed(moved: NDArray[np.float64], exact: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the relative error at each point that rounding explains."""
    changes = _errors(moved, exact)
    known = changes <= _TOO_SENSITIVE  # not where the exact one is not finite
    return np.where(known, np.maximum(_BOUND, _TIMES * changes), np.inf)


def _errors(actual: NDArray[np.float64], exact: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute the relative error at each point."""
    sizes = np.maximum(np.linalg.norm(exact, axis=1), 1e-3)
    errors: NDArray[np.float64] = np.linalg.norm(actual - exact, axis=1) / sizes
    return errors


def _by_itself(call: LayerCall, dtype: Any, move: float = 0.0) -> _Derivatives:
    """Differentiate at all points, one operation after another.

    Args:
      move: by how much each number of a point is changed, relative to it.
    """
    points = _points(call, dtype)
    rng = np.random.default_rng(1)
    at = [value * (1 + move * rng.choice([-1, 1], value.shape)) for value in points.at]
    firsts, seconds = [], []
    for place in range(_POINTS + 1):
        point, direction = (
            [tf.constant(value[place], dtype) for value in values]
            for values in (at, points.directions)
        )
        first, second = _differentiate(points.objective, point, direction)
        firsts.append(_flat(first))
        seconds.append(_flat(second))
    return _Derivatives(np.stack(firsts), np.stack(seconds))


def _differentiate(objective: Objective, at: Any, direction: Any) -> tuple[Any, Any]:
    return gradient_of(objective, at), gradient_of(along(objective, direction), at)


def _points(call: LayerCall, dtype: Any) -> _Points:
    """Make the points and directions of a call: the same in each type, and none is rounded."""
    rng = np.random.default_rng(0)
    objective, start = as_function(call, rng, dtype)
    num_inputs = len(start) - len(call.weights)
    at, directions = [], []
    for place, value in enumerate(start):
        shape = (_POINTS, *value.shape)
        some = value + 0.1 * rng.normal(size=shape)
        last = 1 + _NEAR * rng.random(size=(1, *value.shape))
        near = last if place < num_inputs else value[None] + 0.0
        at.append(np.concatenate([some, near]).astype(np.float32).astype(np.float64))
        moves = rng.normal(size=(_POINTS + 1, *value.shape))
        directions.append(moves.astype(np.float32).astype(np.float64))
    return _Points(objective, at, directions)


def _compiled(calls: Sequence[LayerCall], execution: tuple[str, bool]) -> list[_Derivatives | None]:
    """Differentiate as a block does, all calls in one graph; None where that cannot be compiled."""
    try:
        return list(_in_a_graph(calls, execution))
    except (ValueError, TypeError, NotImplementedError, LookupError, tf.errors.OpError):
        if len(calls) == 1:
            return [None]
        return [result for call in calls for result in _compiled([call], execution)]


def _in_a_graph(calls: Sequence[LayerCall], execution: tuple[str, bool]) -> Sequence[_Derivatives]:
    mode, xla = execution
    settings = [_points(call, tf.float32) for call in calls]

    def one(points: _Points) -> Any:
        def at_a_point(pair: Any) -> Any:
            return _differentiate(points.objective, *pair)

        stacked = tuple(
            [tf.constant(value, tf.float32) for value in values]
            for values in (points.at, points.directions)
        )
        if mode == "vectorized":
            return tf.vectorized_map(at_a_point, stacked)
        specs = [tf.TensorSpec(value.shape[1:], tf.float32) for value in points.at]
        return tf.map_fn(at_a_point, stacked, fn_output_signature=(specs, specs))

    results = Compiled(lambda: [one(points) for points in settings], xla)(())
    return [
        _Derivatives(*(_flat(parts, axes=1) for parts in (first, second)))
        for first, second in results
    ]


def _flat(arrays: Sequence[tf.Tensor], axes: int = 0) -> NDArray[np.float64]:
    """Flatten and join arrays, but for their first axes."""
    parts = [np.asarray(array, np.float64) for array in arrays]
    return np.concatenate([part.reshape(*part.shape[:axes], -1) for part in parts], axis=-1)
