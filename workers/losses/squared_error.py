"""The mean squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from workers.losses.loss import Loss

if TYPE_CHECKING:
    import tensorflow as tf


class SquaredError(Loss):
    """The mean squared error of numbers."""

    name = "mse"
    title = "mean squared error"
    targets = "numbers"
    scored_by = ("loss",)
    squared_error = "loss"

    def mean(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """See `Loss.mean`."""
        return mse(outputs, targets)

    def _chance(self, num_outputs: int, of_task: float | None) -> float | None:
        return of_task


def mse(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Compute the mean squared error: [n, d], [n, d] -> scalar."""
    import tensorflow as tf

    by_example = tf.reduce_mean(tf.square(outputs - tf.cast(targets, outputs.dtype)), axis=-1)
    return tf.reduce_mean(by_example)
