"""Losses and metrics of tasks that have fewer examples than their arrays.

The target of an example that is padding says so: a class is below 0, numbers are NaN. Such an
example has the weight 0, whatever its outputs are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.losses.loss import ByExample, Loss, Measure

    Mean = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]


def is_real(targets: tf.Tensor) -> tf.Tensor:
    """Tell which examples are none of padding: int [n] or float [n, d] -> bool [n]."""
    import tensorflow as tf

    if targets.dtype.is_integer:
        return targets >= 0
    return tf.logical_not(tf.math.is_nan(targets[:, 0]))


def padded_functions(loss: Loss) -> tuple[Mean, dict[str, Measure]]:
    """Return the loss and its metrics by name, as means over real examples alone."""
    weights_of = loss.example_weights

    def mean(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        real = is_real(targets)
        targets = _harmless(targets, real)
        values = loss.by_example(outputs, targets)
        return _mean(values, real, weights_of(targets, values.dtype))

    def metric(by_example: ByExample) -> Measure:
        def of(outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
            real = is_real(targets)
            return _mean(by_example(outputs, _harmless(targets, real)), real, None)

        return of

    by_example = loss.measures_by_example()
    return mean, {name: metric(of) for name, of in by_example.items()}


def _harmless(targets: tf.Tensor, real: tf.Tensor) -> tf.Tensor:
    """Put 0 in place of what marks padding: a class or a number that a loss can take."""
    import tensorflow as tf

    if not targets.dtype.is_integer:
        real = real[:, None]
    return tf.where(real, targets, tf.zeros_like(targets))


def _mean(values: tf.Tensor, real: tf.Tensor, weights: tf.Tensor | None) -> tf.Tensor:
    import tensorflow as tf

    shares = tf.cast(real, values.dtype)
    if weights is not None:
        shares *= weights
    values = tf.where(real, values, tf.zeros_like(values))
    return tf.reduce_sum(shares * values) / tf.reduce_sum(shares)
