"""The logarithm of the hyperbolic cosine, which is square near 0 and linear far from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from workers.losses.loss import Loss
from workers.losses.squared_error import mse

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.losses.loss import Measure


class LogCosh(Loss):
    """The mean of log(cosh(error)) over numbers and examples."""

    name = "logcosh"
    title = "mean log-cosh error"
    targets = "numbers"
    scored_by = ("loss", "mse")
    squared_error = "mse"

    def mean(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """See `Loss.mean`."""
        import tensorflow as tf

        errors = outputs - targets
        return tf.reduce_mean(errors + tf.math.softplus(-2 * errors)) - math.log(2)

    def measures(self) -> Mapping[str, Measure]:
        """See `Loss.measures`."""
        return {"mse": lambda outputs, targets, loss: mse(outputs, targets)}
