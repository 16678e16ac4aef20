"""Losses and metrics per example, and the objective that an algorithm minimizes."""

from collections.abc import Sequence
from typing import Literal

import tensorflow as tf

from workers.models.functional import FunctionalModel

Theta = Sequence[tf.Tensor]
Metrics = dict[str, tf.Tensor]


def mse(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Squared error, mean over output dimensions: [n, d], [n, d] -> [n]."""
    return tf.reduce_mean(tf.square(outputs - tf.cast(targets, outputs.dtype)), axis=-1)


def cross_entropy(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Softmax cross-entropy from logits: [n, classes], int [n] -> [n], nats."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs)


_LOSSES = {"mse": mse, "cross_entropy": cross_entropy}


class Objective:
    """A model and its loss as functions of theta.

    Args:
      model: the network.
      loss: name of the loss.
      inner_loss: "mean" over the support examples; "sum_over_shots" divides their sum by shots,
        as github.com/cbfinn/maml does, which is `ways` times the mean in classification.
      ways: classes of a task, 1 in regression.
    Attributes:
      inner_scale: what `inner` multiplies the mean loss by.
    """

    def __init__(
        self,
        model: FunctionalModel,
        loss: Literal["mse", "cross_entropy"],
        inner_loss: Literal["mean", "sum_over_shots"],
        ways: int,
    ):
        self.model = model
        self._loss = _LOSSES[loss]
        self._classifies = loss == "cross_entropy"
        self.inner_scale = float(ways) if inner_loss == "sum_over_shots" else 1.0

    def inner(self, theta: Theta, inputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """The scalar loss that inner steps descend."""
        outputs = self.model.apply(theta, inputs)
        return tf.reduce_mean(self._loss(outputs, targets)) * self.inner_scale

    def outer(
        self, theta: Theta, inputs: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, Metrics]:
        """The scalar query loss, and the metrics that go with it."""
        outputs = self.model.apply(theta, inputs)
        return self.score(outputs, targets)

    def score(self, outputs: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, Metrics]:
        """Scalar loss and metrics of given outputs."""
        loss = tf.reduce_mean(self._loss(outputs, targets))
        metrics = {"loss": loss}
        if self._classifies:
            predicted = tf.argmax(outputs, axis=-1, output_type=targets.dtype)
            metrics["accuracy"] = tf.reduce_mean(tf.cast(predicted == targets, outputs.dtype))
        return loss, metrics
