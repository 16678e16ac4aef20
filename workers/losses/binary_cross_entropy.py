"""The cross-entropy of labels, each of which is there or not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from workers.losses.loss import Loss
from workers.losses.measures import exact_labels, label_accuracy, right_labels
from workers.wire.protocol import Array

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.losses.loss import ByExample, Measure


class BinaryCrossEntropy(Loss):
    """The sigmoid cross-entropy of labels from logits, the mean over labels and examples."""

    name = "binary_cross_entropy"
    title = "binary cross-entropy in nats per label"
    targets = "labels"
    scored_by = ("accuracy", "exact", "loss")
    outputs_are = "logits"
    refuses = "sigmoid"
    uses = frozenset({"class_weights", "label_smoothing"})

    def mean(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """See `Loss.mean`; a label's weight is that of its ones."""
        import tensorflow as tf

        return tf.reduce_mean(self._by_label(outputs, targets))

    def by_example(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """See `Loss.by_example`: the mean over labels."""
        import tensorflow as tf

        return tf.reduce_mean(self._by_label(outputs, targets), axis=-1)

    def measures_by_example(self) -> Mapping[str, ByExample]:
        """See `Loss.measures_by_example`."""
        import tensorflow as tf

        return {
            "accuracy": lambda outputs, targets: tf.reduce_mean(
                right_labels(outputs, targets), axis=-1
            ),
            "exact": lambda outputs, targets: tf.reduce_min(
                right_labels(outputs, targets), axis=-1
            ),
        }

    def _by_label(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """Compute the loss of each label, [n, labels]."""
        import tensorflow as tf

        smoothing, weights = self.settings.label_smoothing, self.settings.class_weights
        wanted = tf.cast(targets, outputs.dtype) * (1 - smoothing) + smoothing / 2
        if weights is None:
            losses = tf.nn.sigmoid_cross_entropy_with_logits(wanted, outputs)
        else:
            # TensorFlow's own weighted loss has no gradient at a logit of exactly 0.
            by_label = tf.constant(weights, outputs.dtype)
            ones, zeros = tf.math.softplus(-outputs), tf.math.softplus(outputs)
            losses = by_label * wanted * ones + (1 - wanted) * zeros
        return losses

    def measures(self) -> Mapping[str, Measure]:
        """See `Loss.measures`."""
        return {"accuracy": label_accuracy, "exact": exact_labels}

    def check_targets(self, targets: Array) -> None:
        """See `Loss.check_targets`."""
        wrong = np.argwhere((targets != 0) & (targets != 1))
        if len(wrong):
            value = targets[tuple(wrong[0])]
            raise ValueError(f"targets[{wrong[0][0]}] has {value:g}; labels are 0 or 1")

    def predicted(self, outputs: Array) -> Array:
        """See `Loss.predicted`: probabilities."""
        logits = np.asarray(outputs, np.float64)
        probabilities: Array = (0.5 * (1 + np.tanh(0.5 * logits))).astype(np.float32)
        return probabilities
