"""The derivatives of a user's loss: compared with finite differences, and as it is compiled."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.execution.compiled import Compiled
from workers.execution.exact_derivatives import exact_derivatives
from workers.user_code.blame import first_line

Call = Callable[[tf.Tensor, tf.Tensor], Any]
#: Outputs and targets.
Pair = tuple[tf.Tensor, tf.Tensor]

_BOUND, _FLOAT32_BOUND = 1e-4, 1e-3
_STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
#: Errors of TensorFlow in a function that computes in float32 alone.
_NOT_IN_FLOAT64 = (TypeError, ValueError, tf.errors.OpError)


def second_derivative(
    call: Call, points: Sequence[Pair]
) -> tuple[Literal["right", "wrong", "unknown"], str]:
    """Compare the second derivative along a direction with finite differences, in float64.

    Returns:
      the verdict, "right" if it is so at one point and "wrong" if it is at most of them; and why.
    """
    errors = []
    for seed, (outputs, targets) in enumerate(points):
        point = tf.cast(outputs, tf.float64)
        wanted = tf.cast(targets, tf.float64) if targets.dtype.is_floating else targets
        direction = tf.constant(np.random.default_rng(seed).normal(size=point.shape))
        try:
            if call(point, wanted).dtype != tf.float64:
                return "unknown", "it does not compute in float64"
            errors.append(_error(call, point, wanted, direction))
        except LookupError as error:
            return "wrong", f"no second derivative ({first_line(error)})"
        except _NOT_IN_FLOAT64:
            return "unknown", "it does not compute in float64"
        if errors[-1] < _BOUND:
            return "right", ""
    if sum(error > 10 * _BOUND for error in errors) > len(errors) // 2:
        least = 100 * min(errors)
        return "wrong", f"a missing or wrong second derivative, off by {least:.3g} %"
    return "unknown", "its curvature is too high for finite differences"


def _error(call: Call, point: tf.Tensor, targets: tf.Tensor, direction: tf.Tensor) -> float:
    """Compute the least relative error of the second derivative, over the steps."""
    exact = np.asarray(_along(call, point, targets, direction))
    errors = []
    for step in _STEPS:
        ahead, behind = (
            np.asarray(_slope(call, point + sign * step * direction, targets)) for sign in (1, -1)
        )
        least = max(1e-3 * float(np.linalg.norm(ahead)), 1e-9)
        errors.append(_distance(exact, (ahead - behind) / (2 * step), least))
    return min(errors)


def _distance(one: NDArray[Any], other: NDArray[Any], least: float) -> float:
    size = max(float(np.linalg.norm(one)), float(np.linalg.norm(other)), least)
    distance = float(np.linalg.norm(one - other)) / size
    return distance if np.isfinite(distance) else np.inf


def _slope(call: Call, point: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    with tf.GradientTape() as tape:
        tape.watch(point)
        value = call(point, targets)
    return tape.gradient(value, point, unconnected_gradients="zero")


def _along(call: Call, point: tf.Tensor, targets: tf.Tensor, direction: tf.Tensor) -> tf.Tensor:
    """Compute the Hessian times a direction."""
    with exact_derivatives(xla=False):
        with tf.GradientTape() as tape:
            tape.watch(point)
            slope = tf.reduce_sum(_slope(call, point, targets) * direction)
        return tape.gradient(slope, point, unconnected_gradients="zero")


def compiled_fault(
    call: Call, points: Sequence[Pair], execution: tuple[str, bool], *, derivative: bool
) -> str:
    """Run a function as a block does, and compare it with what it gives by itself.

    Args:
      points: all of one shape.
      execution: the mode, "map" or "vectorized", and whether XLA compiles.
      derivative: compare the gradient too.
    Returns:
      what is wrong; "" if nothing is.
    """
    mode, xla = execution

    def values(pair: Pair) -> tuple[tf.Tensor, tf.Tensor]:
        if not derivative:
            return call(*pair), tf.zeros(())
        return call(*pair), _slope(call, *pair)

    def all_of(outputs: tf.Tensor, targets: tf.Tensor) -> Any:
        if mode == "vectorized":
            return tf.vectorized_map(values, (outputs, targets))
        signature = (tf.float32, tf.float32)
        return tf.map_fn(values, (outputs, targets), fn_output_signature=signature)

    outputs, targets = (tf.stack(parts) for parts in zip(*points, strict=True))
    how = f"runtime.execution = {mode!r} and runtime.xla = {str(xla).lower()}"
    try:
        compiled = Compiled(all_of, xla)((), outputs, targets)
    except Exception as error:  # a user's function may raise anything
        return (
            f"cannot be made part of a graph for {how}: {type(error).__name__}: "
            f"{first_line(error)}; use TensorFlow operations alone, no .numpy() and no `if` on "
            "tensors, or set runtime.execution = 'map' and runtime.xla = false"
        )
    for place, pair in enumerate(points):
        for alone, together in zip(values(pair), compiled, strict=True):
            if not np.allclose(alone, together[place], rtol=_FLOAT32_BOUND, atol=1e-5):
                return (
                    f"gives another value or gradient where it is compiled for {how}; use other "
                    "operations, or set runtime.execution = 'map' and runtime.xla = false"
                )
    return ""
