"""A batch of recurrent policies: how they act. All have the same weights."""

from typing import Any

import numpy as np
import tensorflow as tf

from workers.execution.compiled import Compiled
from workers.execution.task_map import map_over
from workers.meta_parameters import Layout
from workers.models.functional import FunctionalModel
from workers.models.recurrent.unrolling import split_state
from workers.policies.advantages import advantages
from workers.policies.distributions import distribution_of
from workers.policies.policy_batch import Constants
from workers.settings.environments.environment_task import EnvironmentTask
from workers.settings.worker import ActorSettings
from workers.tasks.environments.family import EnvironmentFamily
from workers.wire.protocol import Array


class RecurrentBatch:
    """Compiled functions of the policies of several tasks.

    num_traces: graphs that were traced.
    """

    def __init__(self, settings: ActorSettings, family: EnvironmentFamily, model: FunctionalModel):
        assert isinstance(settings.task, EnvironmentTask)
        self._task, self._model = settings.task, model
        self._distribution = distribution_of(family)
        self._state_size = settings.model.state_size
        self._layout = Layout(model.names, model.shapes)
        mode, xla = settings.execution
        self._vectorized = mode == "vectorized"
        self.num_traces = 0
        self._act = Compiled(self._act_graph, xla)
        self._advantages = Compiled(self._advantages_graph)

    def start(self, constants: Constants, num_tasks: int) -> list[tf.Tensor]:
        """Return the policies' weights, with a task axis in front.

        A copy for each task: how a product of all tasks with the same weights is added up would
        depend on their number.
        """
        theta = self._layout.split(constants[0])
        return [tf.stack([array] * num_tasks) for array in theta]

    def act(
        self, theta: list[tf.Tensor], inputs: Array, state: Array, noise: Array
    ) -> tuple[Array, Array, Array]:
        """Compute outputs, actions and the next state, each [tasks, trials, ...]."""
        arguments = (tf.constant(array) for array in (inputs, state, noise))
        results = self._act(inputs.shape, theta, *arguments)
        outputs, actions, state = (result.numpy() for result in results)
        return outputs, actions, state

    def advantages(self, inputs: Array, rewards: Array, mask: Array) -> Array:
        """Estimate the advantage of each action, [tasks, trials, steps]; see `advantages`."""
        arguments = [tf.constant(array) for array in (inputs, rewards, mask)]
        estimates: Array = self._advantages(inputs.shape, *arguments).numpy()
        return estimates

    def adapted(self, constants: Constants, num_tasks: int) -> dict[str, Array]:
        """Return the weights, which are those of every task, as `Adapted` names them."""
        theta = np.tile(constants[0].numpy(), (num_tasks, 1))
        return {"theta": theta, "statistics": np.zeros((num_tasks, 0), np.float32)}

    def _act_graph(
        self, theta: list[tf.Tensor], inputs: tf.Tensor, state: tf.Tensor, noise: tf.Tensor
    ) -> Any:
        self.num_traces += 1

        def one(task: Any) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
            theta, inputs, state, noise = task
            joined, _ = self._model.apply(theta, [], tf.concat([inputs, state], axis=-1))
            outputs, state = split_state(joined, self._state_size)
            return outputs, self._distribution.act(outputs, noise), state

        return map_over(one, (theta, inputs, state, noise), self._vectorized)

    def _advantages_graph(
        self, inputs: tf.Tensor, rewards: tf.Tensor, mask: tf.Tensor
    ) -> tf.Tensor:
        task = self._task
        return advantages(inputs, rewards, mask, task.discount, task.gae_lambda, task.baseline)
