"""Runs a block: build the episodes, map the algorithm over them, sum.

The in-process pool and the Ray actor both call this; there is no Ray in here.
"""

import functools
import time
from typing import Any

import numpy as np
import tensorflow as tf

from workers.algorithms.algorithm import Start
from workers.execution.compiled import Compiled
from workers.execution.fault_isolation import Sums, blame, sum_finite
from workers.execution.task_map import sum_over
from workers.held_out import Constants, HeldOutTasks, Shapes
from workers.meta_parameters import (
    carry_layout,
    flatten,
    has_global_labels,
    make_train_model,
    start_task,
    theta_layout,
)
from workers.models.functional import FunctionalModel
from workers.policies.episode_cache import EpisodeCache
from workers.policies.loss import make_objective
from workers.policies.rollout_adaptation import Practice
from workers.policies.rounds import Rounds
from workers.settings.worker import WorkerSettings
from workers.tasks.environments.family import has_environments
from workers.tasks.family import TaskFamily
from workers.wire.errors import MetatrainError
from workers.wire.protocol import Array, Block, Contribution, Task, Weights
from workers.wire.tensors import all_finite

# From here on one derivative for all tasks of a block is a fifth faster than one for each.
_MANY_TASKS = 64


class BlockRunner:
    """A pure function of (weights, block), with what it costs to build: model, graph, data.

    train_model: the one that theta belongs to, laid out as theta_layout says. held_out: runs what
    is not training.
    model_digest: see `Model.digest`.
    """

    def __init__(self, settings: WorkerSettings, family: TaskFamily):
        self._settings = settings
        self._family = family
        self._algorithm = settings.algorithm
        self._execution, self._xla = settings.execution
        self._global_labels = has_global_labels(settings, family)
        self.train_model = make_train_model(settings, family)
        self.model_digest = settings.model.digest(self.train_model)
        self.theta_layout = theta_layout(settings, self.train_model)
        self._carry = carry_layout(settings, self.train_model)
        self._objective = make_objective(settings, family, self.train_model)
        self._train_traces = 0
        self._train = Compiled(self._train_graph, self._xla)
        self.held_out = HeldOutTasks(settings, family, self.train_model)
        self._practice: Practice | None = None
        if has_environments(family):
            self._practice = Practice(settings, family, self.train_model, self._objective)
            self._rounds = Rounds(settings, self.train_model, self._objective)
        self.episodes = EpisodeCache()

    @property
    def num_traces(self) -> int:
        """How often a block was traced: once for each kind and shape, never more."""
        practised = 0
        if self._practice:
            practised = self._practice.num_traces + self._rounds.num_traces
        return self._train_traces + self.held_out.num_traces + practised

    def run(self, weights: Weights, block: Block) -> Contribution:
        """Run `block` at `weights`.

        Raises:
          NonFiniteError: theta or the block's gradient is not finite; names the tasks.
          TaskError: the model or the family raised; names the task, its spec and the seed.
        """
        try:
            return self._run(weights, block)
        except MetatrainError:
            raise
        except Exception as error:
            raise blame(self._run, weights, block, error, self._settings.seed) from error

    def _run(self, weights: Weights, block: Block) -> Contribution:
        started = time.perf_counter()
        if block.kind == "train":
            gradient, carry, metrics = self._sums(weights, block)
            # Both: a fused matmul and relu on the CPU makes NaN weights 0, and its gradient finite.
            if not all(map(all_finite, (weights.theta, gradient, carry))):
                skip = self._settings.runtime.non_finite == "skip"
                return sum_finite(self._sums, weights, block, skip)
        else:
            gradient = carry = np.zeros(0, np.float32)
            metrics = self._score(self._constants(weights), block)
        return Contribution(
            index=block.index,
            num_tasks=block.hi - block.lo,
            gradient=gradient,
            carry=carry,
            metrics=metrics,
            seconds=time.perf_counter() - started,
        )

    def _score(self, constants: Constants, block: Block) -> dict[str, Array]:
        """What a held-out block asks for, of each task."""
        if self._practice:
            return self._practice.run(constants, block)
        return self.held_out.run(block, constants, *self._build(block))

    def _constants(self, weights: Weights) -> Constants:
        if not weights.carry.size:  # nothing depends on the step either
            return tf.constant(weights.theta), _zeros((0,), tf.float32), _zeros((), tf.int32)
        return (
            tf.constant(weights.theta),
            tf.constant(weights.carry),
            tf.constant(weights.step, tf.int32),
        )

    def _gather(self, weights: Weights, constants: Constants, block: Block) -> tuple[Task, Shapes]:
        """Training tasks, built, or made by the policy itself."""
        practice = self._practice
        if practice is None:
            return self._build(block)
        tasks = self.episodes.get(weights, block, lambda: practice.gather(constants, block))
        return tasks, tuple(tuple(array.shape) for array in tasks)

    def _build(self, block: Block) -> tuple[Task, Shapes]:
        """The block's tasks as tensors, and the shapes of these."""
        global_labels = self._global_labels and block.kind == "train"
        episode = self._family.build(block.specs, global_labels=global_labels)
        num_tasks = block.hi - block.lo
        given = [tf.constant(array) for array in episode]
        shapes = [array.shape for array in episode]
        for name, shape in (("batches", (num_tasks, 0, 0)), ("seeds", (num_tasks, 2))):
            array = block.specs.get(name)
            given.append(_zeros(shape, tf.int32) if array is None else tf.constant(array))
            shapes.append(shape if array is None else array.shape)
        return Task(*given), tuple(shapes)

    def _train_graph(
        self, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor, tasks: Task
    ) -> Any:
        """Sums over tasks: outer gradients, flat; next carries, flat; metrics."""
        self._train_traces += 1
        if self._execution == "vectorized":
            many = tasks.support_inputs.shape[0] >= _MANY_TASKS
            # A user's layers may have gradients of their own, which the vectorizer would drop.
            users = self._settings.model.is_users
            if many and self._algorithm.has_outer_loss and not users:
                return self._differentiate_together(vector, carried, step, tasks)
        vectorized = self._execution == "vectorized"
        return sum_over(self._of_one_task(vector, carried, step), tasks, vectorized)

    def _of_one_task(self, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor) -> Any:
        """The function from a task to what is summed over tasks."""
        model, theta = self.train_model, self.theta_layout.split(vector)
        objective = self._objective

        def one(task: Task) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
            start = start_task(model, self._carry, carried, step, task)
            gradient, left, metrics = self._algorithm.outer_gradient(objective, theta, start, task)
            return flatten(gradient), self._flatten_carry(model, left), metrics

        return one

    def _differentiate_together(
        self, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor, tasks: Task
    ) -> Any:
        """As the sums over `_of_one_task`, by one derivative of the sum of the outer losses.

        The tasks' gradients are then never written out. The tape must be in the compiled graph:
        around the call of it, XLA would compile anew at every theta.
        """
        model, theta = self.train_model, self.theta_layout.split(vector)
        objective = self._objective

        def one(task: Task) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
            start = start_task(model, self._carry, carried, step, task)
            loss, left, metrics = self._algorithm.outer_loss(objective, theta, start, task)
            return loss, self._flatten_carry(model, left), metrics

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            each = tf.vectorized_map(one, tasks)
            losses, *rest = tf.nest.map_structure(lambda value: tf.reduce_sum(value, axis=0), each)
        gradient = tape.gradient(losses, theta, unconnected_gradients="zero")
        return flatten(gradient), *rest

    def _flatten_carry(self, model: FunctionalModel, left: Start) -> tf.Tensor:
        """What a task leaves, as far as it is carried."""
        persistent = len(self._carry.names) > len(model.statistics_names)
        return flatten([*model.statistics(left.state), *(left.moments if persistent else [])])

    def _sums(self, weights: Weights, block: Block) -> Sums:
        """Over a training block's tasks: outer gradients, next carries, metrics."""
        constants = self._constants(weights)
        tasks, shapes = self._gather(weights, constants, block)
        if block.round == "first":
            total, left, metrics = self._train(shapes, *constants, tasks)
            metrics.pop("divergence", None)  # 0 at the weights that acted
            left = left.numpy()
        else:
            now, argument = tf.constant(weights.now), tf.constant(weights.argument)
            given = now, argument, *constants[1:], tasks
            total, metrics = self._rounds.run(block.round, (shapes, argument.shape), *given)
            left = np.zeros_like(weights.carry)
        return total.numpy(), left, {name: v.numpy() for name, v in metrics.items()}


@functools.cache
def _zeros(shape: tuple[int, ...], dtype: tf.DType) -> tf.Tensor:
    """Made once, since small steps are made of such things."""
    return tf.zeros(shape, dtype)
