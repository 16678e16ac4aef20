"""The objective of algorithms that compute a task's head from its support set."""

import copy
from typing import NamedTuple

import tensorflow as tf

from workers.heads.headed_model import HeadedModel
from workers.heads.linear_head import LinearHead
from workers.inner.losses import Objective, Theta
from workers.losses.loss import LossFunctions
from workers.losses.registry import loss_of
from workers.models.functional import FunctionalModel, State
from workers.settings.worker import ActorSettings
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Task


class Embedded(NamedTuple):
    """The features of a task.

    support: [support examples, width].
    query: [queries, width].
    state: of the model's layers after the call.
    """

    support: tf.Tensor
    query: tf.Tensor
    state: State


class HeadObjective(Objective):
    """A model of features, the head on them, and the loss.

    Support set and queries go through the model in one call. Batch normalization takes its
    statistics so that no query depends on another:

    - "support": of the support set alone, for support set and queries, in training and later.
    - "running": of all examples of a task in training, which updates running statistics; later
      these normalize support set and queries alike (as in Snell et al.'s code).

    features: the model of the features.
    model: the same with a linear head.
    num_outputs: outputs of a task's head.
    """

    def __init__(
        self,
        features: FunctionalModel,
        loss: LossFunctions,
        num_outputs: int,
        statistics: str,
        padded: bool = False,
        recompute: bool = False,
    ):
        super().__init__(features, loss, "mean", num_outputs, "running", padded, recompute)
        self.features, self.num_outputs, self.statistics = features, num_outputs, statistics
        self.model = HeadedModel(features)  # type: ignore[assignment]

    @classmethod
    def of_tasks(
        cls,
        settings: ActorSettings,
        family: TaskFamily,
        model: FunctionalModel,
        padded: bool = False,
    ) -> "HeadObjective":
        """See `Objective.of_tasks`; `model` is that of the features."""
        functions = loss_of(family).functions(padded)
        statistics, recompute = settings.model.statistics, settings.inner_memory == "recompute"
        return cls(model, functions, family.num_outputs, statistics, padded, recompute)

    def for_ways(self, ways: int | None) -> "HeadObjective":
        """See `Objective.for_ways`."""
        other = copy.copy(self)
        other.num_outputs = ways or self.num_outputs
        return other

    def embed(self, theta: Theta, state: State, task: Task, training: bool) -> Embedded:
        """Compute the features of the support set and of the queries.

        Args:
          theta: the weights of the features.
          training: for layers that depend on it: dropout, running statistics.
        """
        number = task.support_targets.shape[0]
        inputs = tf.concat([task.support_inputs, task.query_inputs], axis=0)
        shown, asked = self._seen(task)
        seen = None if shown is None else tf.concat([shown, asked], axis=0)
        features, state = self.features.apply(theta, state, inputs, training, seen)
        return Embedded(features[:number], features[number:], state)

    def support_features(
        self, theta: Theta, state: State, task: Task, training: bool
    ) -> tuple[tf.Tensor, State]:
        """Compute the features of the support set alone, and the state after the call."""
        shown = self.real(task.support_targets)
        return self.features.apply(theta, state, task.support_inputs, training, shown)

    def head_of(self, theta: Theta) -> LinearHead:
        """Return the head that a list of all weights ends in."""
        return LinearHead(*theta[-2:])

    def shapes_of(self, number: int) -> list[tuple[int, ...]]:
        """See `Objective.shapes_of`."""
        return self.model.shapes_of(number)  # type: ignore[attr-defined]

    def _queries(
        self, theta: Theta, state: State, task: Task, training: bool
    ) -> tuple[tf.Tensor, State]:
        body = theta[:-2]
        if self.statistics == "support":
            _, queries, state = self.embed(body, state, task, training)
        else:
            asked = self.real(task.query_targets)
            queries, state = self.features.apply(body, state, task.query_inputs, training, asked)
        return self.head_of(theta).outputs(queries), state

    def _seen(self, task: Task) -> tuple[tf.Tensor | None, tf.Tensor | None]:
        """Return which examples of each set are in statistics over a batch; None: all."""
        shown, asked = self.real(task.support_targets), self.real(task.query_targets)
        if self.statistics != "support":
            return shown, asked
        support, queries = task.support_targets.shape[:1], task.query_targets.shape[:1]
        return tf.ones(support, tf.bool) if shown is None else shown, tf.zeros(queries, tf.bool)
