"""Further looks at a step's episodes, for outer updates that need more than one gradient."""

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

from workers.execution.compiled import Compiled
from workers.execution.task_map import sum_over
from workers.inner.losses import Metrics, Objective
from workers.meta_parameters import carry_layout, flatten, start_task, theta_layout
from workers.models.functional import FunctionalModel
from workers.policies.loss import PolicyObjective
from workers.settings.worker import WorkerSettings
from workers.wire.protocol import RoundName, Task

Found = tuple[tf.Tensor, Metrics]


class Rounds:
    """Sums over the tasks of a block, whose episodes were made at theta as it was drawn.

    "line": no vector; the gain and the divergence at theta now. "fisher": the second derivative of
    the divergence where it has its minimum, at theta as it was drawn, through adaptation, times
    the argument.
    "clipped": the outer gradient at theta now, of ratios that count up to 1 +- the argument; where
    it has a second element, that is the price of `PolicyObjective.kept_near`.
    num_traces: graphs that were traced.
    """

    def __init__(self, settings: WorkerSettings, model: FunctionalModel, objective: Objective):
        assert isinstance(objective, PolicyObjective)
        self._algorithm, self._model, self._objective = settings.algorithm, model, objective
        self._policy_loss = objective.policy_loss
        self._theta = theta_layout(settings, model)
        self._carry = carry_layout(settings, model)
        mode, xla = settings.execution
        self._vectorized = mode == "vectorized"
        self.num_traces = 0
        self._graphs = {
            name: Compiled(partial(self._graph, of), xla)
            for name, of in (
                ("line", self._line),
                ("fisher", self._fisher),
                ("clipped", self._clipped),
            )
        }

    def run(
        self,
        name: RoundName,
        signature: Any,
        now: tf.Tensor,
        argument: tf.Tensor,
        carried: tf.Tensor,
        step: tf.Tensor,
        tasks: Task,
    ) -> Found:
        """A vector like theta, and metrics, each summed over tasks.

        Args:
          signature: shapes of `tasks`. now: theta. argument: float32; see the class.
        """
        found: Found = self._graphs[name](signature, now, argument, carried, step, tasks)
        return found

    def _graph(
        self,
        of: Callable[..., Found],
        now: tf.Tensor,
        argument: tf.Tensor,
        carried: tf.Tensor,
        step: tf.Tensor,
        tasks: Task,
    ) -> Found:
        self.num_traces += 1
        theta = self._theta.split(now)

        def one(task: Task) -> Found:
            start = start_task(self._model, self._carry, carried, step, task)
            return of(theta, argument, start, task)

        found: Found = sum_over(one, tasks, self._vectorized)
        return found

    def _loss(self, objective: Objective, theta: Any, start: Any, task: Task) -> Any:
        loss, _, metrics = self._algorithm.outer_loss(objective, theta, start, task)
        return loss, metrics

    def _line(self, theta: Any, argument: tf.Tensor, start: Any, task: Task) -> Found:
        objective = self._objective.judged_by(self._policy_loss.gain)
        gain, metrics = self._loss(objective, theta, start, task)
        return tf.zeros_like(flatten(theta)), {"gain": gain, "divergence": metrics["divergence"]}

    def _fisher(self, theta: Any, argument: tf.Tensor, start: Any, task: Task) -> Found:
        along = self._theta.split(argument)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            with tf.autodiff.ForwardAccumulator(theta, along) as forward:
                objective = self._objective.judged_by(
                    lambda outputs, targets: self._policy_loss.bent(
                        outputs, targets, forward.jvp(outputs)
                    )
                )
                loss, metrics = self._loss(objective, theta, start, task)
        bend = tape.gradient(loss, theta, unconnected_gradients="zero")
        return flatten(bend), {"divergence": metrics["divergence"]}

    def _clipped(self, theta: Any, argument: tf.Tensor, start: Any, task: Task) -> Found:
        objective = self._objective.judged_by(partial(self._policy_loss.clipped, most=argument[0]))
        if argument.shape[0] > 1:
            objective = objective.kept_near(argument[1])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            loss, metrics = self._loss(objective, theta, start, task)
        return flatten(tape.gradient(loss, theta, unconnected_gradients="zero")), metrics
