"""Errors of derivatives, TensorFlow's own and metatrain's, against differences in float64.

    python benchmarks/derivatives.py

f is a weighted sum of squares of what an operation returns. Shown are the relative errors in norm
of its gradient and of the derivative of that along a random direction, computed in float32, with
XLA and without. Inputs of pooling are within 0.4 % of each other.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from workers.execution import runtime

Function = Callable[[Any], Any]


class Operation(NamedTuple):
    """An operation on float32 or float64 [shape].

    near: whether its inputs are nearly equal. step: of the differences.
    """

    name: str
    call: Function
    shape: tuple[int, ...]
    near: bool = False
    step: float = 1e-7


def operations() -> Iterator[Operation]:
    """Yield the operations. Resizing computes in float32, but is linear: any step is right."""
    import keras
    import tensorflow as tf

    def parts(function: Function) -> Function:
        return lambda x: function(tf.complex(x[:4], x[4:]))

    yield Operation(
        "max_pool2d, 2 x 2", lambda x: tf.nn.max_pool2d(x, 2, 2, "VALID"), (3, 8, 8, 2), True
    )
    yield Operation(
        "max_pool2d, 3 x 3", lambda x: tf.nn.max_pool2d(x, 3, 2, "SAME"), (3, 9, 8, 2), True
    )
    pool = keras.layers.AdaptiveMaxPooling2D
    yield Operation(
        "AdaptiveMaxPooling2D", lambda x: pool((3, 3), dtype=x.dtype.name)(x), (2, 8, 8, 2), True
    )
    yield Operation("complex sqrt", parts(tf.sqrt), (8,))
    yield Operation("complex rsqrt", parts(tf.math.rsqrt), (8,))
    yield Operation("complex reciprocal", parts(tf.math.reciprocal), (8,))
    yield Operation("complex log", parts(tf.math.log), (8,))
    yield Operation("phase of rfft", lambda x: tf.math.angle(tf.signal.rfft(x)), (8,))
    resize = tf.image.resize
    yield Operation(
        "image.resize, larger",
        lambda x: tf.cast(resize(x, (7, 5)), x.dtype),
        (2, 4, 4, 2),
        step=0.1,
    )
    yield Operation(
        "image.resize, smaller",
        lambda x: tf.cast(resize(x, (3, 2)), x.dtype),
        (2, 4, 4, 2),
        step=0.1,
    )


def total(y: Any) -> Any:
    """Sum squares with weights; of complex numbers, of both parts."""
    import tensorflow as tf

    if y.dtype.is_complex:
        return total(tf.math.real(y)) + total(tf.math.imag(y))
    weights = np.random.default_rng(1).normal(size=y.shape)
    return tf.reduce_sum(tf.square(y) * tf.constant(weights, y.dtype))


def both(call: Function, x: Any, direction: Any) -> tuple[Any, Any]:
    """Differentiate once, and once more along the direction."""
    import tensorflow as tf

    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as inner:
            inner.watch(x)
            value = total(call(x))
        gradient = inner.gradient(value, x)
        along = tf.reduce_sum(gradient * direction)
    return gradient, outer.gradient(along, x, unconnected_gradients="zero")


def by_differences(operation: Operation, x: Any, direction: Any) -> tuple[Any, Any]:
    """Compute the gradient in float64, and its difference quotient along the direction."""
    import tensorflow as tf

    def gradient(at: Any) -> Any:
        at = tf.constant(at)
        with tf.GradientTape() as tape:
            tape.watch(at)
            value = total(operation.call(at))
        return tape.gradient(value, at).numpy()

    x, move = x.astype(np.float64), operation.step * direction.astype(np.float64)
    return gradient(x), (gradient(x + move) - gradient(x - move)) / (2 * operation.step)


def errors(operation: Operation, xla: bool, exact: bool) -> str:
    """Return both relative errors; exact: with metatrain's replacements."""
    import tensorflow as tf

    from workers.execution.exact_derivatives import exact_derivatives

    rng = np.random.default_rng(0)
    shape = operation.shape
    x = 1 + 0.004 * rng.random(shape) if operation.near else rng.normal(size=shape)
    x, direction = x.astype(np.float32), rng.normal(size=shape).astype(np.float32)
    arguments = tf.constant(x), tf.constant(direction)
    with exact_derivatives(xla) if exact else contextlib.nullcontext():
        function = tf.function(lambda x, d: both(operation.call, x, d), autograph=False)
        traced = function.get_concrete_function(*arguments)
    compiled = tf.function(lambda x, d: traced(x, d), jit_compile=xla)
    pairs = zip(compiled(*arguments), by_differences(operation, x, direction), strict=True)
    found = [np.linalg.norm(ours - right) / np.linalg.norm(right) for ours, right in pairs]
    return ", ".join(f"{error:.0e}" if error < 1e-3 else f"[bold]{error:.2f}[/]" for error in found)


def main() -> None:
    """Print the table."""
    runtime.start_tensorflow(0)
    table = Table(title="relative error of the first, second derivative")
    for column in ("operation", "TensorFlow", "here", "TensorFlow, XLA", "here, XLA"):
        table.add_column(column)
    for operation in operations():
        cells = [errors(operation, xla, exact) for xla in (False, True) for exact in (False, True)]
        table.add_row(operation.name, *cells)
    Console(width=120, highlight=False).print(table)


if __name__ == "__main__":
    main()
