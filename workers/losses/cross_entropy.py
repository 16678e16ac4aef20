"""The cross-entropy of classes, and of candidates that are ranked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from workers.losses.loss import Loss
from workers.losses.measures import accuracy, reciprocal_rank
from workers.settings.losses.loss_settings import Targets

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.losses.loss import Measure


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

    by_example = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs)
    if smoothing:
        of_all = -tf.reduce_mean(tf.nn.log_softmax(outputs), axis=-1)
        by_example = (1 - smoothing) * by_example + smoothing * of_all
    if weights is None:
        return tf.reduce_mean(by_example)
    by_class = tf.constant(weights, outputs.dtype)
    own = tf.linalg.matvec(tf.one_hot(targets, len(weights), dtype=outputs.dtype), by_class)
    return tf.reduce_sum(own * by_example) / tf.reduce_sum(own)
