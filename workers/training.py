"""Training tasks: outer gradients, next carries and metrics, summed over a block."""

import functools
import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from workers.algorithms.algorithm import Algorithm, Start
from workers.execution.compiled import Compiled
from workers.execution.task_map import sum_over
from workers.held_out import Constants, Shapes
from workers.inner.losses import Objective
from workers.losses.registry import loss_of
from workers.meta_parameters import carry_layout, flatten, start_task, theta_layout
from workers.models.functional import FunctionalModel
from workers.settings.worker import ActorSettings
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Task

# From this number on, one derivative for all tasks of a block is a fifth faster than one for each.
_MANY_TASKS = 64


class TrainingTasks:
    """Graphs of training blocks: one for each algorithm that `Algorithm.at` returns.

    theta_layout: of theta.
    carry_layout: of the carry.
    uses_step: whether graphs look at the number of outer steps done; else it may be any.
    num_traces: graphs that were traced.
    """

    def __init__(
        self,
        settings: ActorSettings,
        family: TaskFamily,
        model: FunctionalModel,
        objective: Objective,
    ):
        self._settings, self._family = settings, family
        self._model, self._objective = model, objective
        self._execution, self._xla = settings.execution
        self.theta_layout = theta_layout(settings, model)
        self.carry_layout = carry_layout(settings, model)
        self.uses_step = bool(self.carry_layout.size) or settings.algorithm.uses_outer_step
        self.num_traces = 0
        self._graphs: dict[Algorithm, Compiled] = {}

    def algorithm_at(self, step: int) -> Algorithm:
        """Return the algorithm of outer step `step`, whose graph runs there."""
        return self._settings.algorithm.at(step)

    def steps_alike(self, step: int) -> float:
        """Count the outer steps from `step` on, until the algorithm changes; inf: it does not."""
        changes = (at - step for at in self._settings.algorithm.changes_at if at > step)
        return min(changes, default=math.inf)

    def run(self, step: int, shapes: Shapes, constants: Constants, tasks: Task) -> Any:
        """Sum over the tasks of outer step `step`: outer gradients, next carries, metrics.

        Args:
          shapes: of the arrays in `tasks`.
        """
        return self._graph_at(step)(shapes, *constants, tasks)

    def graph_of(self, step: int, tasks: Task) -> "BlockGraph":
        """Make the compiled graph of blocks like these, for another graph.

        Args:
          tasks: tensors, those of outer step `step`.
        """
        theta = tf.zeros(self.theta_layout.size, tf.float32)
        carry = tf.zeros(self.carry_layout.size, tf.float32)
        shapes = tuple(tuple(array.shape) for array in tasks)
        arguments = theta, carry, tf.zeros((), tf.int32), tasks
        return BlockGraph(*self._graph_at(step).traced(shapes, *arguments))

    def _graph_at(self, step: int) -> Compiled:
        algorithm = self.algorithm_at(step)
        if algorithm not in self._graphs:
            graph = functools.partial(self._graph, algorithm)
            self._graphs[algorithm] = Compiled(graph, self._xla)
        return self._graphs[algorithm]

    def _graph(
        self,
        algorithm: Algorithm,
        vector: tf.Tensor,
        carried: tf.Tensor,
        step: tf.Tensor,
        tasks: Task,
    ) -> Any:
        """Sum over tasks: outer gradients, flat; next carries, flat; metrics."""
        self.num_traces += 1
        vectorized = self._execution == "vectorized"
        if vectorized:
            many = tasks.support_inputs.shape[0] >= _MANY_TASKS
            # Gradients of their own would be dropped: a user's layers and loss may have such.
            users = self._settings.model.is_users or loss_of(self._family).is_users
            memory = self._objective.recompute or self._settings.runtime.micro_batch
            own_gradients = users or memory
            apart = own_gradients or algorithm.takes_blocks
            if many and algorithm.has_outer_loss and not apart:
                return self._differentiate_together(algorithm, vector, carried, step, tasks)
        one = self.of_one_task(algorithm, vector, carried, step)
        return sum_over(one, tasks, vectorized, algorithm.takes_blocks)

    def of_one_task(
        self, algorithm: Algorithm, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor
    ) -> Any:
        """Make the function from a task to the values that are summed over tasks."""
        model, theta = self._model, self.theta_layout.split(vector)
        objective = self._objective

        def one(task: Task) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
            start = start_task(model, self.carry_layout, carried, step, task)
            gradient, final, metrics = algorithm.outer_gradient(objective, theta, start, task)
            return flatten(gradient), self._flatten_carry(final), metrics

        return one

    def _differentiate_together(
        self,
        algorithm: Algorithm,
        vector: tf.Tensor,
        carried: tf.Tensor,
        step: tf.Tensor,
        tasks: Task,
    ) -> Any:
        """Compute the sums over `of_one_task` by one derivative of the sum of the outer losses.

        The gradients of single tasks are then never written to memory. The tape must be inside the
        compiled graph: around its call, XLA would compile again for every theta.
        """
        model, theta = self._model, self.theta_layout.split(vector)
        objective = self._objective

        def one(task: Task) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
            start = start_task(model, self.carry_layout, carried, step, task)
            loss, final, metrics = algorithm.outer_loss(objective, theta, start, task)
            return loss, self._flatten_carry(final), metrics

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            by_task = tf.vectorized_map(one, tasks)
            losses, *rest = tf.nest.map_structure(lambda x: tf.reduce_sum(x, axis=0), by_task)
        gradient = tape.gradient(losses, theta, unconnected_gradients="zero")
        return flatten(gradient), *rest

    def _flatten_carry(self, final: Start) -> tf.Tensor:
        """Flatten the part of what a task leaves that is carried to the next step."""
        model = self._model
        persistent = len(self.carry_layout.names) > len(model.statistics_names)
        return flatten([*model.statistics(final.state), *(final.moments if persistent else [])])


class BlockGraph:
    """The sums over a training block, as a part of a graph.

    metrics: their names.
    """

    def __init__(self, call: Callable[..., Any], structure: Any):
        self._call = call
        self.metrics: list[str] = sorted(structure[2])

    def __call__(
        self, theta: tf.Tensor, carry: tf.Tensor, step: tf.Tensor, tasks: Task
    ) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        """Sum outer gradients [parameters], next carries [carry], and each metric, a scalar."""
        gradient, carry, metrics = self._call(theta, carry, step, tasks)
        return gradient, carry, [metrics[name] for name in self.metrics]
