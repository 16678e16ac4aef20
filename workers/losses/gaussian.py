"""The likelihood of numbers under normal distributions that the model predicts."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from workers.losses.loss import Floats, Loss
from workers.losses.squared_error import mse, squared_errors
from workers.wire.protocol import Array

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.losses.loss import ByExample, Measure

# Of log deviations: beyond, squares of float32 would overflow.
_LOWEST, _HIGHEST = -15.0, 15.0


class GaussianLikelihood(Loss):
    """The negative log-likelihood: outputs are means, then logarithms of standard deviations."""

    name = "gaussian_nll"
    title = "negative log-likelihood in nats"
    targets = "numbers"
    scored_by = ("loss", "mse")
    outputs_per_target = 2
    outputs_are = "means, then logarithms of standard deviations,"
    squared_error = "mse"

    def mean(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """See `Loss.mean`: the mean over numbers and examples."""
        import tensorflow as tf

        return tf.reduce_mean(_by_number(outputs, targets)) + math.log(2 * math.pi) / 2

    def by_example(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """See `Loss.by_example`: the mean over numbers."""
        import tensorflow as tf

        by_number = _by_number(outputs, targets)
        return tf.reduce_mean(by_number, axis=-1) + math.log(2 * math.pi) / 2

    def measures_by_example(self) -> Mapping[str, ByExample]:
        """See `Loss.measures_by_example`."""
        return {"mse": lambda outputs, targets: squared_errors(_means(outputs), targets)}

    def measures(self) -> Mapping[str, Measure]:
        """See `Loss.measures`."""
        return {"mse": lambda outputs, targets, loss: mse(_means(outputs), targets)}

    def predicted(self, outputs: Array) -> Array:
        """See `Loss.predicted`: the means."""
        means: Array = outputs[..., : outputs.shape[-1] // 2]
        return means

    def deviations(self, outputs: Array) -> Array | None:
        """See `Loss.deviations`."""
        logs = np.asarray(outputs[..., outputs.shape[-1] // 2 :], np.float64)
        deviations: Array = np.exp(np.clip(logs, _LOWEST, _HIGHEST))
        return deviations

    def scale(self, mean: Floats, deviation: Floats) -> tuple[Floats, Floats]:
        """See `Loss.scale`: a log deviation is shifted by the log of the factor."""
        one = np.ones_like(deviation)
        return np.concatenate([mean, np.log(deviation)]), np.concatenate([deviation, one])


def _by_number(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Compute the loss of each number, without its constant part."""
    import tensorflow as tf

    means, logs = tf.split(outputs, 2, axis=-1)
    logs = tf.clip_by_value(logs, _LOWEST, _HIGHEST)
    errors = (tf.cast(targets, outputs.dtype) - means) * tf.exp(-logs)
    return tf.square(errors) / 2 + logs


def _means(outputs: tf.Tensor) -> tf.Tensor:
    import tensorflow as tf

    return tf.split(outputs, 2, axis=-1)[0]
