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

    Support set and queries go through the model in one call. Several tasks do not: the bits of an
    example's convolution on a CPU depend on how many others there are. Batch normalization takes
    its statistics so that no query depends on another:

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
        skips_padding: bool = False,
    ):
        """See `Objective`. skips_padding: padding does not go through the model."""
        super().__init__(features, loss, "mean", num_outputs, "running", padded, recompute)
        self.features, self.num_outputs, self.statistics = features, num_outputs, statistics
        self.model = HeadedModel(features)  # type: ignore[assignment]
        self._skips_padding = padded and skips_padding

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
        # A graph for any number of examples: not for XLA, nor side by side with other tasks.
        any_number = settings.execution == ("map", False) and settings.runtime.micro_batch is None
        return cls(model, functions, family.num_outputs, statistics, padded, recompute, any_number)

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
        number = _number(task.support_targets)
        inputs = tf.concat([task.support_inputs, task.query_inputs], axis=0)
        shown, asked = self._seen(task)
        seen = None if shown is None else tf.concat([shown, asked], axis=0)
        if self._skips_padding:
            features, state = self._of_real(theta, state, task, inputs, seen, training)
        else:
            features, state = self.features.apply(theta, state, inputs, training, seen)
        return Embedded(features[:number], features[number:], state)

    def _of_real(
        self,
        theta: Theta,
        state: State,
        task: Task,
        inputs: tf.Tensor,
        seen: tf.Tensor,
        training: bool,
    ) -> tuple[tf.Tensor, State]:
        """Compute the features of the examples that are none of padding; 0 for padding.

        A task takes as long as its own examples do, and has the bits that it has without padding.
        """
        targets = tf.concat([task.support_targets, task.query_targets], axis=0)
        rows = tf.where(self.real(targets))[:, 0]
        # In batch statistics are all of these, or those of the support set.
        own = tf.gather(seen, rows) if self.statistics == "support" else None
        features, state = self.features.apply(theta, state, tf.gather(inputs, rows), training, own)
        width = self.model.width  # type: ignore[attr-defined]
        shape = tf.cast(tf.stack([_number(targets), width]), tf.int64)
        padded = tf.ensure_shape(
            tf.scatter_nd(rows[:, None], features, shape), [targets.shape[0], width]
        )
        return padded, state

    def real_support(self, task: Task) -> Task:
        """Return a task whose support set has no padding, if padding is skipped at all."""
        if not self._skips_padding:
            return task
        rows = tf.where(self.real(task.support_targets))[:, 0]
        inputs, targets = task.support_inputs, task.support_targets
        return task._replace(
            support_inputs=tf.gather(inputs, rows), support_targets=tf.gather(targets, rows)
        )

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
        ones, zeros = (
            tf.fill([_number(targets)], value)
            for targets, value in ((task.support_targets, True), (task.query_targets, False))
        )
        return ones if shown is None else shown, zeros


def _number(targets: tf.Tensor) -> int | tf.Tensor:
    """Return the number of examples, as a tensor where it differs between tasks."""
    number = targets.shape[0]
    return tf.shape(targets)[0] if number is None else number
