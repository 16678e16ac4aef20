"""Conjugate gradients, for linear systems whose matrix is known by its products with vectors."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from workers.execution.separate_call import call_separately

Tensors = list[tf.Tensor]


def conjugate_gradients(
    product: Callable[[Tensors], Tensors], target: Sequence[tf.Tensor], steps: int
) -> Tensors:
    """Approximate the x with `product(x) = target`, from 0; no gradient is taken through it.

    A step along which the matrix is not positive leaves the solution as it is; the next one goes
    along the sum of that direction and the residual. A step after the residual is 0 changes
    nothing. What is not finite stays so. The loop is a part of the graph.

    Args:
      product: the symmetric positive definite matrix times a list of tensors like `target`.
      steps: >= 1; as many as there are numbers solve the system, up to rounding.
    Source: Hestenes and Stiefel 1952, "Methods of conjugate gradients for solving linear systems",
      section 3.
    """
    target = list(target)

    def step(solution: Tensors, residual: Tensors, direction: Tensors, square: tf.Tensor) -> tuple:
        along = product(direction)
        curvature = _dot(direction, along)
        one = tf.ones_like(square)
        ends = (square <= 0) | (curvature <= 0)
        length = tf.where(ends, one * 0, square / tf.where(ends, one, curvature))
        solution = [x + length * d for x, d in zip(solution, direction, strict=True)]
        residual = [r - length * a for r, a in zip(residual, along, strict=True)]
        after = _dot(residual, residual)
        share = after / tf.where(square <= 0, one, square)
        direction = [r + share * d for r, d in zip(residual, direction, strict=True)]
        return solution, residual, direction, after

    start = [x * 0 for x in target], target, target, _dot(target, target)
    _, solution, *_ = tf.while_loop(
        lambda number, *_: number < steps,
        lambda number, *values: (number + 1, *call_separately(step, *values)),
        (tf.constant(0), *start),
        parallel_iterations=1,
        maximum_iterations=steps,
    )
    return solution


def _dot(a: Sequence[tf.Tensor], b: Sequence[tf.Tensor]) -> tf.Tensor:
    return tf.add_n([tf.reduce_sum(x * y) for x, y in zip(a, b, strict=True)])
