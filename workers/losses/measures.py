"""Metrics of classes and labels, shared by losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import tensorflow as tf


def accuracy(outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
    """Compute the share of examples whose largest output is the target's."""
    import tensorflow as tf

    return tf.reduce_mean(is_right(outputs, targets))


def is_right(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Return 1 for each example whose largest output is the target's, else 0: [n]."""
    import tensorflow as tf

    predicted = tf.argmax(outputs, axis=-1, output_type=targets.dtype)
    return tf.cast(predicted == targets, outputs.dtype)


def reciprocal_rank(outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
    """Compute the mean reciprocal rank of the right candidate; ties count as better, 1 is best."""
    import tensorflow as tf

    right = tf.gather(outputs, targets, axis=-1, batch_dims=1)[..., None]
    ranks = tf.reduce_sum(tf.cast(outputs >= right, outputs.dtype), axis=-1)
    return tf.reduce_mean(1.0 / ranks)


def label_accuracy(outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
    """Compute the share of labels on the right side of probability one half."""
    import tensorflow as tf

    return tf.reduce_mean(right_labels(outputs, targets))


def right_labels(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Return 1 for each label on the right side of probability one half, else 0: [n, labels]."""
    import tensorflow as tf

    return tf.cast((outputs > 0) == (targets > 0.5), outputs.dtype)


def exact_labels(outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
    """Compute the share of examples all labels of which are right."""
    import tensorflow as tf

    right = tf.reduce_all((outputs > 0) == (targets > 0.5), axis=-1)
    return tf.reduce_mean(tf.cast(right, outputs.dtype))
