"""Products of a support loss's second derivatives with vectors."""

from collections.abc import Sequence

import tensorflow as tf

from workers.inner.inner_loop import InnerState, Loss, batch
from workers.wire.protocol import Task


def hessian_product(
    loss: Loss,
    inner_state: InnerState,
    task: Task,
    adapts: Sequence[bool],
    vector: Sequence[tf.Tensor],
) -> list[tf.Tensor]:
    """Compute the derivative by all weights of <gradient by the adapting ones, vector>.

    Args:
      loss: of the support set, all of it.
      inner_state: where.
      adapts: for each weight, whether it adapts.
      vector: a list like the weights that adapt.
    Returns:
      a list like all weights.
    """
    theta = list(inner_state.theta)
    examples = batch(task, 0)
    with tf.GradientTape(watch_accessed_variables=False) as outer:
        outer.watch(theta)
        with tf.GradientTape(watch_accessed_variables=False) as inner:
            inner.watch(theta)
            value, _ = loss(theta, inner_state.state, *examples)
        gradient = inner.gradient(value, theta, unconnected_gradients="zero")
        chosen = [g for g, adapted in zip(gradient, adapts, strict=True) if adapted]
        along = tf.add_n([tf.reduce_sum(g * v) for g, v in zip(chosen, vector, strict=True)])
    product = outer.gradient(along, theta, unconnected_gradients="zero")
    return [tf.convert_to_tensor(p) for p in product]
