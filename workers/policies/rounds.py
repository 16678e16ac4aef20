"""Further rounds on a step's episodes, for outer updates that need more than one gradient."""

from collections.abc import Callable
from functools import partial
from typing import Any

import tensorflow as tf

from workers.algorithms.algorithm import Algorithm
from workers.execution.compiled import Compiled
from workers.execution.task_map import sum_over
from workers.inner.losses import Metrics, Objective
from workers.meta_parameters import carry_layout, flatten, start_task, theta_layout
from workers.models.functional import FunctionalModel
from workers.policies.loss import PolicyObjective
from workers.settings.worker import ActorSettings
from workers.wire.protocol import RoundName, Task

#: A vector like theta, and metrics.
RoundResult = tuple[tf.Tensor, Metrics]


class Rounds:
    """Sums over the tasks of a block, whose episodes were acted at the theta of the step's start.

    "line_search": no vector; the gain and the KL divergence at the current theta.
    "fisher_vector": the argument times the Hessian of the KL divergence, through adaptation, at
      the theta that acted, where the divergence has its minimum.
    "ppo": the outer gradient at the current theta, with ratios clipped to 1 +- argument[0]; with
      argument[1] as the penalty of `PolicyObjective.with_kl_penalty`, if there is one.

    num_traces: graphs that were traced.
    """

    def __init__(self, settings: ActorSettings, model: FunctionalModel, objective: Objective):
        assert isinstance(objective, PolicyObjective)
        self._algorithm, self._model, self._objective = settings.algorithm, model, objective
        self._policy_loss = objective.policy_loss
        self._theta = theta_layout(settings, model)
        self._carry = carry_layout(settings, model)
        mode, xla = settings.execution
        self._vectorized = mode == "vectorized"
        self._xla, self.num_traces = xla, 0
        self._functions: dict[str, Callable[..., RoundResult]] = {
            "line_search": self._line_search,
            "fisher_vector": self._fisher_vector,
            "ppo": self._ppo,
        }
        self._graphs: dict[tuple[str, Algorithm], Compiled] = {}

    def run(
        self,
        name: RoundName,
        outer_step: int,
        signature: Any,
        now: tf.Tensor,
        argument: tf.Tensor,
        carried: tf.Tensor,
        step: tf.Tensor,
        tasks: Task,
    ) -> RoundResult:
        """Compute a vector like theta, and metrics, each summed over tasks.

        Args:
          outer_step: whose algorithm it is, see `Algorithm.at`.
          signature: shapes of `tasks`.
          now: theta, flat.
          argument: float32; see the class.
        """
        algorithm = self._algorithm.at(outer_step)
        if (name, algorithm) not in self._graphs:
            graph = partial(self._graph, self._functions[name], algorithm)
            self._graphs[name, algorithm] = Compiled(graph, self._xla)
        graph_of_round = self._graphs[name, algorithm]
        result: RoundResult = graph_of_round(signature, now, argument, carried, step, tasks)
        return result

    def _graph(
        self,
        of: Callable[..., RoundResult],
        algorithm: Algorithm,
        now: tf.Tensor,
        argument: tf.Tensor,
        carried: tf.Tensor,
        step: tf.Tensor,
        tasks: Task,
    ) -> RoundResult:
        self.num_traces += 1
        theta = self._theta.split(now)

        def one(task: Task) -> RoundResult:
            start = start_task(self._model, self._carry, carried, step, task)
            return of(algorithm, theta, argument, start, task)

        result: RoundResult = sum_over(one, tasks, self._vectorized, algorithm.takes_blocks)
        return result

    def _line_search(
        self, algorithm: Algorithm, theta: Any, argument: tf.Tensor, start: Any, task: Task
    ) -> RoundResult:
        objective = self._objective.with_outer_loss(self._policy_loss.gain)
        gain, _, metrics = algorithm.outer_loss(objective, theta, start, task)
        return tf.zeros_like(flatten(theta)), {"gain": gain, "kl": metrics["kl"]}

    def _fisher_vector(
        self, algorithm: Algorithm, theta: Any, argument: tf.Tensor, start: Any, task: Task
    ) -> RoundResult:
        along = self._theta.split(argument)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            with tf.autodiff.ForwardAccumulator(theta, along) as forward:
                objective = self._objective.with_outer_loss(
                    lambda outputs, targets: self._policy_loss.fisher_vector_surrogate(
                        outputs, targets, forward.jvp(outputs)
                    )
                )
                loss, _, metrics = algorithm.outer_loss(objective, theta, start, task)
        product = tape.gradient(loss, theta, unconnected_gradients="zero")
        return flatten(product), {"kl": metrics["kl"]}

    def _ppo(
        self, algorithm: Algorithm, theta: Any, argument: tf.Tensor, start: Any, task: Task
    ) -> RoundResult:
        clipped = partial(self._policy_loss.clipped, clip_ratio=argument[0])
        objective = self._objective.with_outer_loss(clipped)
        if argument.shape[0] > 1:
            objective = objective.with_kl_penalty(argument[1])
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            loss, _, metrics = algorithm.outer_loss(objective, theta, start, task)
        return flatten(tape.gradient(loss, theta, unconnected_gradients="zero")), metrics
