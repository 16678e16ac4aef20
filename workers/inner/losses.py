"""Losses and metrics, and the objective that an algorithm minimizes."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

import tensorflow as tf

from workers.metrics import LossName
from workers.models.functional import FunctionalModel, State
from workers.settings.worker import ActorSettings
from workers.tasks.family import TaskFamily, ways_of
from workers.wire.protocol import Task

Theta = Sequence[tf.Tensor]
Metrics = dict[str, tf.Tensor]
#: The weights and layer state at the start of each inner step, in order.
Starts = Sequence[tuple[Theta, State]]


def mse(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Compute the mean squared error: [n, d], [n, d] -> scalar."""
    by_example = tf.reduce_mean(tf.square(outputs - tf.cast(targets, outputs.dtype)), axis=-1)
    return tf.reduce_mean(by_example)


def cross_entropy(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Compute the mean softmax cross-entropy from logits: [n, classes], int [n]; nats."""
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(targets, outputs))


def next_token(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Compute the mean cross-entropy over all tokens of all texts; nats.

    Args:
      outputs: logits [n, length, tokens].
      targets: int [n, length]; below 0: no token.
    """
    is_token = targets >= 0
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(targets, 0), outputs)
    weights = tf.cast(is_token, losses.dtype)
    return tf.reduce_sum(losses * weights) / tf.maximum(tf.reduce_sum(weights), 1.0)


def _accuracy(outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
    predicted = tf.argmax(outputs, axis=-1, output_type=targets.dtype)
    return tf.reduce_mean(tf.cast(predicted == targets, outputs.dtype))


def _reciprocal_rank(outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
    """Compute the mean reciprocal rank of the right candidate; ties count as better, 1 is best."""
    right = tf.gather(outputs, targets, axis=-1, batch_dims=1)[..., None]
    ranks = tf.reduce_sum(tf.cast(outputs >= right, outputs.dtype), axis=-1)
    return tf.reduce_mean(1.0 / ranks)


def _bits(outputs: tf.Tensor, targets: tf.Tensor, loss: tf.Tensor) -> tf.Tensor:
    return loss / math.log(2)


class Loss(NamedTuple):
    """A loss, with the metrics that go with it.

    mean: (outputs, targets) -> scalar.
    metrics: name -> (outputs, targets, that scalar) -> scalar.
    """

    mean: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    metrics: Mapping[str, Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]]


_LOSSES: dict[LossName, Loss] = {
    "mse": Loss(mse, {}),
    "cross_entropy": Loss(cross_entropy, {"accuracy": _accuracy}),
    "ranking": Loss(cross_entropy, {"accuracy": _accuracy, "mrr": _reciprocal_rank}),
    "next_token": Loss(next_token, {"bits_per_character": _bits}),
}


class Objective:
    """A model and its loss, as functions of theta and of the state of its layers.

    Args:
      model: the network.
      loss: the loss, or its name.
      inner_loss: "mean" over the support examples; "sum_over_shots" divides their sum by shots,
        as github.com/cbfinn/maml does, which is `ways` times the mean in classification.
      ways: classes of a task, 1 in regression.
      statistics: how batch normalization normalizes queries: "batch", all of them together;
        "support", each alone with the support set, as github.com/openai/supervised-reptile does;
        "running", by running statistics (training updates these, and normalizes as "batch").
    Attributes:
      inner_scale: factor of the mean loss in `inner`.
      of_steps: metrics that are averaged over inner steps if the loss is.
    """

    of_steps: tuple[str, ...] = ()

    def __init__(
        self,
        model: FunctionalModel,
        loss: LossName | Loss,
        inner_loss: Literal["mean", "sum_over_shots"],
        ways: int,
        statistics: Literal["batch", "support", "running"] = "batch",
    ):
        self.model = model
        self.statistics: str = statistics
        self._loss = loss if isinstance(loss, Loss) else _LOSSES[loss]
        self.inner_scale = float(ways) if inner_loss == "sum_over_shots" else 1.0

    @classmethod
    def of_tasks(
        cls, settings: ActorSettings, family: TaskFamily, model: FunctionalModel
    ) -> "Objective":
        """Make the objective that the settings give for tasks of `family`."""
        inner_loss = settings.algorithm.inner_loss
        return cls(model, family.loss, inner_loss, ways_of(family), settings.model.statistics)

    def of(self, model: FunctionalModel) -> "Objective":
        """Copy the objective with another model."""
        other = copy.copy(self)
        other.model = model
        return other

    def by(self, statistics: Literal["batch", "support"] | None) -> "Objective":
        """Copy the objective with other statistics for queries; None: keep them."""
        other = copy.copy(self)
        other.statistics = statistics or self.statistics
        return other

    def inner(
        self, theta: Theta, state: State, inputs: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, State]:
        """Compute the scalar loss that inner steps minimize, and the state after the call."""
        outputs, state = self.model.apply(theta, state, inputs)
        return self._loss.mean(outputs, targets) * self.inner_scale, state

    def outer(self, theta: Theta, state: State, task: Task) -> tuple[tf.Tensor, Metrics, State]:
        """Compute the scalar query loss in training, its metrics, and the state after the call."""
        outputs, state = self._queries(theta, state, task, training=True)
        return *self.score(outputs, task.query_targets), state

    def intermediate_metrics(self, theta: Theta, state: State, task: Task, step: int) -> Metrics:
        """Compute the outer "loss" and metrics after `step` inner steps, before the last one."""
        return self.outer(theta, state, task)[1]

    def penalized(self, loss: tf.Tensor, starts: Starts, task: Task) -> tf.Tensor:
        """Add to the outer loss a penalty on the starts of the inner steps; none here."""
        return loss

    def predict(self, theta: Theta, state: State, task: Task) -> tf.Tensor:
        """Compute the outputs for a task's queries in evaluation."""
        return self._queries(theta, state, task, training=False)[0]

    def score(self, outputs: tf.Tensor, targets: tf.Tensor) -> tuple[tf.Tensor, Metrics]:
        """Compute the scalar loss and the metrics of outputs."""
        loss = self._loss.mean(outputs, targets)
        metrics = {name: of(outputs, targets, loss) for name, of in self._loss.metrics.items()}
        return loss, {"loss": loss, **metrics}

    def _queries(
        self, theta: Theta, state: State, task: Task, training: bool
    ) -> tuple[tf.Tensor, State]:
        if self.statistics != "support":
            return self.model.apply(theta, state, task.query_inputs, training)

        def alone(query: tf.Tensor) -> tf.Tensor:
            inputs = tf.concat([task.support_inputs, query[None]], axis=0)
            return self.model.apply(theta, state, inputs, training)[0][-1]

        first = alone(task.query_inputs[0])  # ahead of the loop, for its shape
        rest = tf.map_fn(
            alone,
            task.query_inputs[1:],
            fn_output_signature=tf.TensorSpec(first.shape, first.dtype),
            parallel_iterations=1,
        )
        return tf.concat([first[None], rest], axis=0), state
