"""The objective that an algorithm minimizes."""

import copy
from collections.abc import Sequence
from typing import Literal

import tensorflow as tf

from workers.execution.portable_operations import is_portable
from workers.losses.loss import LossFunctions
from workers.losses.padding import is_real
from workers.losses.registry import loss_of, make_loss
from workers.models.functional import FunctionalModel, State
from workers.settings.worker import ActorSettings
from workers.tasks.family import TaskFamily, ways_of
from workers.wire.protocol import Task
from workers.wire.tensors import Shape

Theta = Sequence[tf.Tensor]
Metrics = dict[str, tf.Tensor]
#: The weights and layer state at the start of each inner step, in order.
Starts = Sequence[tuple[Theta, State]]


class Objective:
    """A model and its loss, as functions of theta and of the state of its layers.

    Args:
      model: the network.
      loss: the loss, or the name of one of `workers/losses`.
      inner_loss: "mean" over the support examples; "sum_over_shots" divides their sum by shots,
        as github.com/cbfinn/maml does, which is `ways` times the mean in classification.
      ways: classes of a task, 1 in regression.
      statistics: how batch normalization normalizes queries: "batch", all of them together;
        "support", each alone with the support set, as github.com/openai/supervised-reptile does;
        "running", by running statistics (training updates these, and normalizes as "batch").
      padded: targets may say that an example is padding, see `workers.losses.padding`; nothing
        depends on such an example.
      recompute: see `recompute` below.
    Attributes:
      inner_scale: factor of the mean loss in `inner`.
      recompute: whether training goes back through inner loops that minimize it by computing each
        step again; else their graphs are stored.
      of_steps: metrics that are averaged over inner steps if the loss is.
    """

    of_steps: tuple[str, ...] = ()

    def __init__(
        self,
        model: FunctionalModel,
        loss: str | LossFunctions,
        inner_loss: Literal["mean", "sum_over_shots"],
        ways: int,
        statistics: Literal["batch", "support", "running"] = "batch",
        padded: bool = False,
        recompute: bool = False,
    ):
        self.model = model
        self.recompute = recompute
        self.statistics: str = statistics
        self._padded = padded
        self._loss = make_loss(loss).functions(padded) if isinstance(loss, str) else loss
        self.inner_scale = float(ways) if inner_loss == "sum_over_shots" else 1.0

    @classmethod
    def of_tasks(
        cls,
        settings: ActorSettings,
        family: TaskFamily,
        model: FunctionalModel,
        padded: bool = False,
    ) -> "Objective":
        """Make the objective that the settings give for tasks of `family`."""
        inner_loss, functions = settings.algorithm.inner_loss, loss_of(family).functions(padded)
        statistics, recompute = settings.model.statistics, settings.inner_memory == "recompute"
        return cls(
            model, functions, inner_loss, ways_of(family), statistics, padded, recompute=recompute
        )

    @property
    def sees_support(self) -> bool:
        """Whether queries are normalized with the support set."""
        return self.statistics == "support"

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

    def for_ways(self, ways: int | None) -> "Objective":
        """Copy the objective for tasks of so many classes; None: as many as the family's."""
        assert ways is None, "the number of outputs is the model's"
        return self

    def real_support(self, task: Task) -> Task:
        """Return the task that is computed with: one without padding, if that is skipped at all."""
        return task

    def shapes_of(self, number: int) -> Sequence[Shape]:
        """Return the shapes of the weights that adaptation leaves, which hold so many numbers."""
        return self.model.shapes

    def inner(
        self, theta: Theta, state: State, inputs: tf.Tensor, targets: tf.Tensor
    ) -> tuple[tf.Tensor, State]:
        """Compute the scalar loss that inner steps minimize, and the state after the call."""
        outputs, state = self.model.apply(theta, state, inputs, real=self.real(targets))
        state = self.model.stepped(state)
        return self._loss.mean(outputs, targets) * self.inner_scale, state

    def real(self, targets: tf.Tensor) -> tf.Tensor | None:
        """Tell which examples are none of padding, bool [n]; None: all of them."""
        return is_real(targets) if self._padded else None

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
        real, state = self.real, self.model.asked(state)
        if self.statistics != "support":
            asked = real(task.query_targets)
            return self.model.apply(theta, state, task.query_inputs, training, asked)
        support = real(task.support_targets)
        both = None if support is None else tf.concat([support, [True]], axis=0)

        def alone(query: tf.Tensor) -> tf.Tensor:
            inputs = tf.concat([task.support_inputs, query[None]], axis=0)
            return self.model.apply(theta, state, inputs, training, both)[0][-1]

        first = alone(task.query_inputs[0])  # ahead of the loop, for its shape
        if is_portable() and task.query_inputs.shape[0] == 1:
            return first[None], state
        rest = tf.map_fn(
            alone,
            task.query_inputs[1:],
            fn_output_signature=tf.TensorSpec(first.shape, first.dtype),
            parallel_iterations=1,
        )
        return tf.concat([first[None], rest], axis=0), state
