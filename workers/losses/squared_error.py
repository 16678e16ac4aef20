"""The mean squared error."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from workers.losses.loss import Loss

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.losses.loss import ByExample


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

    def by_example(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """See `Loss.by_example`."""
        return squared_errors(outputs, targets)

    def measures_by_example(self) -> Mapping[str, ByExample]:
        """See `Loss.measures_by_example`."""
        return {}

    def unit(self, of_targets: str) -> str:
        """See `Loss.unit`."""
        return f"the square of {of_targets}"

    def _chance(self, num_outputs: int, of_task: float | None) -> float | None:
        return of_task


def mse(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Compute the mean squared error: [n, d], [n, d] -> scalar."""
    import tensorflow as tf

    return tf.reduce_mean(squared_errors(outputs, targets))


def squared_errors(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Compute the mean squared error of each example: [n, d], [n, d] -> [n]."""
    import tensorflow as tf

    return tf.reduce_mean(tf.square(outputs - tf.cast(targets, outputs.dtype)), axis=-1)
