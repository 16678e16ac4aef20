"""A batch of policies, one for each task with weights of its own: how they act and adapt."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.algorithms.algorithm import Start
from workers.execution.compiled import Compiled
from workers.execution.task_map import map_over
from workers.inner.inner_loop import InnerState, Plan, inner_step
from workers.inner.losses import Objective
from workers.meta_parameters import carry_layout, theta_layout
from workers.models.functional import FunctionalModel
from workers.policies.advantages import advantages
from workers.policies.distributions import distribution_of
from workers.settings.environments.environment_task import EnvironmentTask
from workers.settings.worker import ActorSettings
from workers.tasks.environments.family import EnvironmentFamily
from workers.wire.protocol import Array

#: theta, carry and step, flat.
Constants = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


class PolicyBatch:
    """Compiled functions of the policies of several tasks.

    An `InnerState` here holds the policies of all tasks: its arrays have a task axis in front.

    num_traces: graphs that were traced.
    """

    def __init__(
        self,
        settings: ActorSettings,
        family: EnvironmentFamily,
        model: FunctionalModel,
        objective: Objective,
    ):
        assert isinstance(settings.task, EnvironmentTask)
        self._task = settings.task
        self._model, self._objective = model, objective
        self._algorithm = settings.algorithm
        self._distribution = distribution_of(family)
        self._theta = theta_layout(settings, model)
        self._carry = carry_layout(settings, model)
        mode, xla = settings.execution
        self._vectorized = mode == "vectorized"
        self.num_traces = 0
        self._start = Compiled(self._start_graph)
        self._act = Compiled(self._traced(self._act_graph), xla)
        self._adapt = Compiled(self._traced(self._adapt_graph), xla)
        self._advantages = Compiled(self._advantages_graph)

    def start(self, constants: Constants, num_tasks: int) -> InnerState:
        """Make the unadapted policies of `num_tasks` tasks."""
        policies: InnerState = self._start(num_tasks, *constants, tf.zeros((num_tasks, 0)))
        return policies

    def act(self, policies: InnerState, observations: Array, noise: Array) -> tuple[Array, Array]:
        """Compute the model's outputs and draw actions, [tasks, episodes, ...]."""
        arguments = tf.constant(observations), tf.constant(noise)
        outputs, actions = self._act(observations.shape, policies, *arguments)
        return outputs.numpy(), actions.numpy()

    def advantages(self, observations: Array, rewards: Array, mask: Array) -> Array:
        """Estimate the advantage of each action, [tasks, episodes, horizon]; see `advantages`."""
        arguments = [tf.constant(array) for array in (observations, rewards, mask)]
        estimates: Array = self._advantages(observations.shape, *arguments).numpy()
        return estimates

    def step(
        self,
        constants: Constants,
        policies: InnerState,
        examples: tuple[Array, Array],
        step: int,
        inner_lr: float,
    ) -> InnerState:
        """Take one inner step in all tasks, the `step`-th from 0."""
        inputs, targets = (tf.constant(array) for array in examples)
        rate, number = tf.constant(inner_lr, tf.float32), tf.constant(step)
        adapted: InnerState = self._adapt(
            examples[0].shape, *constants, rate, policies, inputs, targets, number
        )
        return adapted

    def adapted(self, policies: InnerState) -> dict[str, Array]:
        """Flatten weights and running statistics, as `Adapted` names them, [tasks, ...]."""
        num_tasks = policies.theta[0].shape[0]

        def flat(arrays: Sequence[tf.Tensor]) -> Array:
            parts = [np.reshape(array.numpy(), (num_tasks, -1)) for array in arrays]
            joined: Array = np.concatenate([np.zeros((num_tasks, 0), np.float32), *parts], axis=1)
            return joined

        return {
            "theta": flat(policies.theta),
            "statistics": flat(self._model.statistics(policies.state)),
        }

    def _start_graph(
        self, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor, tasks: tf.Tensor
    ) -> InnerState:
        rate = tf.constant(self._algorithm.inner_lr)
        policy, _ = self._inner_loop(vector, carried, step, rate)
        number = tasks.shape[0]
        return tf.nest.map_structure(lambda array: tf.stack([array] * number), policy)

    def _act_graph(
        self, policies: InnerState, observations: tf.Tensor, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def one(task: Any) -> tuple[tf.Tensor, tf.Tensor]:
            policy, observations, noise = task
            outputs, _ = self._model.apply(policy.theta, policy.state, observations)
            return outputs, self._distribution.act(outputs, noise)

        return self._map(one, (policies, observations, noise))

    def _adapt_graph(
        self,
        vector: tf.Tensor,
        carried: tf.Tensor,
        step: tf.Tensor,
        inner_lr: tf.Tensor,
        policies: InnerState,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        number: tf.Tensor,
    ) -> InnerState:
        _, plan = self._inner_loop(vector, carried, step, inner_lr)
        plan = plan._replace(first_order=True)

        def one(task: Any) -> InnerState:
            policy, *examples = task
            return inner_step(self._objective.inner, policy, examples, plan, number)[0]

        return self._map(one, (policies, inputs, targets))

    def _advantages_graph(
        self, observations: tf.Tensor, rewards: tf.Tensor, mask: tf.Tensor
    ) -> tf.Tensor:
        task = self._task
        return advantages(
            observations, rewards, mask, task.discount, task.gae_lambda, task.baseline
        )

    def _inner_loop(
        self, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor, inner_lr: tf.Tensor
    ) -> tuple[InnerState, Plan]:
        start = Start([], self._carry.split(carried), step)
        theta = self._theta.split(vector)
        return self._algorithm.start_inner_loop(self._model, theta, start, inner_lr)

    def _map(self, one: Callable[[Any], Any], tasks: Any) -> Any:
        return map_over(one, tasks, self._vectorized)

    def _traced(self, graph: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self.num_traces += 1
            return graph(*arguments)

        return counted


def without_lost(policies: InnerState) -> tuple[InnerState, NDArray[np.bool_]]:
    """Replace the weights of tasks that are not finite by zeros, so that these policies can act.

    Returns:
      the policies, and which tasks' weights were not finite, [tasks].
    """
    lost = np.zeros(policies.theta[0].shape[0], bool)
    for array in policies.theta:
        lost |= ~np.isfinite(array.numpy()).reshape(len(lost), -1).all(axis=1)
    if not lost.any():
        return policies, lost
    theta = [
        tf.where(lost.reshape(-1, *[1] * (array.shape.rank - 1)), tf.zeros_like(array), array)
        for array in policies.theta
    ]
    return policies._replace(theta=theta), lost
