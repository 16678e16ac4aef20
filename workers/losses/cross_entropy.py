"""The cross-entropy of classes, and of candidates that are ranked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from workers.losses.loss import Loss
from workers.losses.measures import accuracy, is_right, reciprocal_rank
from workers.settings.losses.loss_settings import Targets

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.losses.loss import ByExample, Measure


class CrossEntropy(Loss):
    """The softmax cross-entropy of classes from logits."""

    name = "cross_entropy"
    title = "cross-entropy in nats"
    targets: Targets = "classes"
    scored_by: tuple[str, ...] = ("accuracy", "loss")
    outputs_are = "logits"
    refuses = "softmax"
    uses = frozenset({"class_weights", "label_smoothing"})

    def mean(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """See `Loss.mean`."""
        weights, smoothing = self.settings.class_weights, self.settings.label_smoothing
        if weights is None and not smoothing:
            return cross_entropy(outputs, targets)
        return _weighted(outputs, targets, weights, smoothing)

    def measures(self) -> Mapping[str, Measure]:
        """See `Loss.measures`."""
        return {"accuracy": accuracy}

    def by_example(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """See `Loss.by_example`."""
        return _smoothed(outputs, targets, self.settings.label_smoothing)

    def measures_by_example(self) -> Mapping[str, ByExample]:
        """See `Loss.measures_by_example`."""
        return {"accuracy": is_right}

    def example_weights(self, targets: tf.Tensor, dtype: tf.DType) -> tf.Tensor | None:
        """See `Loss.example_weights`: those of their classes."""
        weights = self.settings.class_weights
        return None if weights is None else _own_weights(targets, weights, dtype)


class Ranking(CrossEntropy):
    """The softmax cross-entropy of candidates, which are scored by their ranks too."""

    name = "ranking"
    targets = "candidates"
    scored_by = ("accuracy", "mrr", "loss")
    uses = frozenset()

    def measures(self) -> Mapping[str, Measure]:
        """See `Loss.measures`."""
        return {"accuracy": accuracy, "mrr": reciprocal_rank}


def cross_entropy(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Compute the mean softmax cross-entropy from logits: [n, classes], int [n]; nats."""
    import tensorflow as tf

    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs))


def _weighted(
    outputs: tf.Tensor, targets: tf.Tensor, weights: tuple[float, ...] | None, smoothing: float
) -> tf.Tensor:
    """Compute the cross-entropy with smoothed targets, averaged with the classes' weights.

    A target is 1 - smoothing for its class plus smoothing / classes for every class (Szegedy et al.
    2016, arXiv:1512.00567, section 7). The mean over examples has the weight of their class.
    """
    import tensorflow as tf

    by_example = _smoothed(outputs, targets, smoothing)
    if weights is None:
        return tf.reduce_mean(by_example)
    own = _own_weights(targets, weights, outputs.dtype)
    return tf.reduce_sum(own * by_example) / tf.reduce_sum(own)


def _smoothed(outputs: tf.Tensor, targets: tf.Tensor, smoothing: float) -> tf.Tensor:
    """Compute the cross-entropy of each example with its smoothed target, [n]."""
    import tensorflow as tf

    by_example = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs)
    if smoothing:
        of_all = -tf.reduce_mean(tf.nn.log_softmax(outputs), axis=-1)
        by_example = (1 - smoothing) * by_example + smoothing * of_all
    return by_example


def _own_weights(targets: tf.Tensor, weights: tuple[float, ...], dtype: tf.DType) -> tf.Tensor:
    """Return the weight of each example's class, [n]."""
    import tensorflow as tf

    by_class = tf.constant(weights, dtype)
    return tf.linalg.matvec(tf.one_hot(targets, len(weights), dtype=dtype), by_class)
