"""Policies of several tasks, each with weights of its own: what they do and learn, as graphs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.algorithms.algorithm import Start
from workers.execution.compiled import Compiled
from workers.inner.inner_loop import Learner, inner_step
from workers.inner.losses import Objective
from workers.meta_parameters import carry_layout, theta_layout
from workers.models.functional import FunctionalModel
from workers.policies.advantages import advantages
from workers.policies.distributions import distribution_of
from workers.settings.environments import EnvironmentTask
from workers.settings.worker import WorkerSettings
from workers.tasks.environments.family import EnvironmentFamily
from workers.wire.protocol import Array

#: theta, carry and step, flat.
Constants = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


class SideBySide:
    """A learner here is one of each task: all arrays have a task axis in front.

    num_traces: graphs that were traced.
    """

    def __init__(
        self,
        settings: WorkerSettings,
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
        self._judge = Compiled(self._judge_graph)

    def start(self, constants: Constants, num_tasks: int) -> Learner:
        """What the tasks start from."""
        learner: Learner = self._start(num_tasks, *constants, tf.zeros((num_tasks, 0)))
        return learner

    def act(self, learner: Learner, observations: Array, noise: Array) -> tuple[Array, Array]:
        """The model's outputs and actions, [tasks, episodes, ...]."""
        given = tf.constant(observations), tf.constant(noise)
        outputs, actions = self._act(observations.shape, learner, *given)
        return outputs.numpy(), actions.numpy()

    def judge(self, observations: Array, rewards: Array, taken: Array) -> Array:
        """What each action was worth, [tasks, episodes, horizon]; see `advantages`."""
        given = [tf.constant(array) for array in (observations, rewards, taken)]
        better: Array = self._judge(observations.shape, *given).numpy()
        return better

    def step(
        self,
        constants: Constants,
        learner: Learner,
        examples: tuple[Array, Array],
        step: int,
        inner_lr: float,
    ) -> Learner:
        """One inner step in all tasks, the `step`-th from 0."""
        given = [tf.constant(array) for array in examples]
        rate, number = tf.constant(inner_lr, tf.float32), tf.constant(step)
        adapted: Learner = self._adapt(examples[0].shape, *constants, rate, learner, *given, number)
        return adapted

    def hand_over(self, learner: Learner) -> dict[str, Array]:
        """Weights and running statistics, flat, [tasks, ...]."""
        num_tasks = learner.theta[0].shape[0]

        def flat(arrays: Sequence[tf.Tensor]) -> Array:
            parts = [np.reshape(array.numpy(), (num_tasks, -1)) for array in arrays]
            joined: Array = np.concatenate([np.zeros((num_tasks, 0), np.float32), *parts], axis=1)
            return joined

        return {
            "theta": flat(learner.theta),
            "statistics": flat(self._model.statistics(learner.state)),
        }

    def _start_graph(
        self, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor, tasks: tf.Tensor
    ) -> Learner:
        rate = tf.constant(self._algorithm.inner_lr)
        learner, _ = self._learn(vector, carried, step, rate)
        number = tasks.shape[0]
        return tf.nest.map_structure(lambda array: tf.stack([array] * number), learner)

    def _act_graph(
        self, learner: Learner, observations: tf.Tensor, noise: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        def one(task: Any) -> tuple[tf.Tensor, tf.Tensor]:
            learner, observations, noise = task
            outputs, _ = self._model.apply(learner.theta, learner.state, observations)
            return outputs, self._distribution.act(outputs, noise)

        return self._map(one, (learner, observations, noise))

    def _adapt_graph(
        self,
        vector: tf.Tensor,
        carried: tf.Tensor,
        step: tf.Tensor,
        inner_lr: tf.Tensor,
        learner: Learner,
        inputs: tf.Tensor,
        targets: tf.Tensor,
        number: tf.Tensor,
    ) -> Learner:
        _, plan = self._learn(vector, carried, step, inner_lr)
        plan = plan._replace(first_order=True)

        def one(task: Any) -> Learner:
            learner, *examples = task
            return inner_step(self._objective.inner, learner, examples, plan, number)[0]

        return self._map(one, (learner, inputs, targets))

    def _judge_graph(
        self, observations: tf.Tensor, rewards: tf.Tensor, taken: tf.Tensor
    ) -> tf.Tensor:
        task = self._task
        return advantages(
            observations, rewards, taken, task.discount, task.gae_lambda, task.baseline
        )

    def _learn(
        self, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor, inner_lr: tf.Tensor
    ) -> tuple[Learner, Any]:
        start = Start([], self._carry.split(carried), step)
        theta = self._theta.split(vector)
        return self._algorithm.learn(self._model, theta, start, inner_lr)

    def _map(self, one: Callable[[Any], Any], tasks: Any) -> Any:
        if self._vectorized:
            return tf.vectorized_map(one, tasks)
        first = one(tf.nest.map_structure(lambda array: array[0], tasks))
        signature = tf.nest.map_structure(lambda x: tf.TensorSpec(x.shape, x.dtype), first)
        return tf.map_fn(one, tasks, fn_output_signature=signature, parallel_iterations=1)

    def _traced(self, graph: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            self.num_traces += 1
            return graph(*arguments)

        return counted


def without_lost(learner: Learner) -> tuple[Learner, NDArray[np.bool_]]:
    """Tasks whose weights are not finite go on with zeros, which acts; and which these are."""
    lost = np.zeros(learner.theta[0].shape[0], bool)
    for array in learner.theta:
        lost |= ~np.isfinite(array.numpy()).reshape(len(lost), -1).all(axis=1)
    if not lost.any():
        return learner, lost
    theta = [
        tf.where(lost.reshape(-1, *[1] * (array.shape.rank - 1)), tf.zeros_like(array), array)
        for array in learner.theta
    ]
    return learner._replace(theta=theta), lost
