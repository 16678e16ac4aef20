"""Clipping of inner gradients."""

from collections.abc import Sequence

import tensorflow as tf


def clipped(gradient: Sequence[tf.Tensor], largest: float) -> list[tf.Tensor]:
    """Scale a gradient down to the global norm `largest`, > 0, if its own is larger.

    Differentiable: the derivative goes through the norm, too. It exists at a gradient of 0, where
    that of `tf.clip_by_global_norm` is NaN. A gradient whose square overflows becomes NaN, not 0.

    Source: Pascanu et al. 2013, arXiv:1211.5063, algorithm 1.
    """
    gradient = [tf.convert_to_tensor(g) for g in gradient]
    limit = tf.constant(largest, gradient[0].dtype)
    square = tf.add_n([tf.reduce_sum(tf.square(g)) for g in gradient])
    is_larger = square > tf.square(limit)
    # The root is taken where it has a derivative, whichever of the two is chosen.
    safe = tf.where(is_larger, square, tf.square(limit))
    factor = tf.where(is_larger, limit * tf.sqrt(safe) / safe, tf.ones_like(safe))
    return [g * factor for g in gradient]
