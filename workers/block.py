"""The block runner: build the episodes of a block, map the algorithm over them, and sum.

The in-process pool and the Ray actor both call it. It does not use Ray.
"""

import functools
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from workers.algorithms.algorithm import Start
from workers.execution.compiled import Compiled
from workers.execution.fault_isolation import Sums, isolate_failing_task, sum_finite
from workers.execution.runtime import gpus_of_tensorflow
from workers.execution.task_map import sum_over
from workers.execution.tasks_ahead import TasksAhead
from workers.held_out import Constants, HeldOutTasks, Shapes
from workers.losses.registry import loss_of
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
from workers.policies.rollout_adaptation import RolloutAdapter
from workers.policies.rounds import Rounds
from workers.settings.worker import ActorSettings
from workers.tasks.environments.family import has_environments
from workers.tasks.family import TaskFamily
from workers.tasks.sizes import has_ranges
from workers.wire.errors import MetatrainError
from workers.wire.protocol import Array, Block, Contribution, Task, Weights
from workers.wire.tensors import all_finite

# From this number on, one derivative for all tasks of a block is a fifth faster than one for each.
_MANY_TASKS = 64


class BlockRunner:
    """A pure function of (weights, block), with what is expensive to build: model, graphs, data.

    train_model: the model in training, whose weights are in theta.
    model_digest: see `Model.digest`.
    loss_digest: see `Loss.digest`.
    theta_layout: of theta.
    held_out: runs blocks of held-out tasks with examples.
    episodes: cache of the episodes of policies.
    """

    def __init__(self, settings: ActorSettings, family: TaskFamily):
        self._settings = settings
        self._family = family
        self._algorithm = settings.algorithm
        self._execution, self._xla = settings.execution
        self._global_labels = has_global_labels(settings, family)
        self.train_model = make_train_model(settings, family)
        self.model_digest = settings.model.digest(self.train_model)
        self.loss_digest = loss_of(family).digest()
        self.theta_layout = theta_layout(settings, self.train_model)
        self._carry = carry_layout(settings, self.train_model)
        padded = has_ranges(settings.task)
        self._objective = make_objective(settings, family, self.train_model, padded)
        self._train_traces = 0
        self._train = Compiled(self._train_graph, self._xla)
        self.held_out = HeldOutTasks(settings, family, self.train_model)
        self._rollout_adapter: RolloutAdapter | None = None
        if has_environments(family):
            self._rollout_adapter = RolloutAdapter(
                settings, family, self.train_model, self._objective
            )
            self._rounds = Rounds(settings, self.train_model, self._objective)
        self.episodes = EpisodeCache()
        self._ahead: TasksAhead | None = None

    @property
    def num_traces(self) -> int:
        """The number of traced graphs: one for each kind and shape of a block, never more."""
        of_policies = 0
        if self._rollout_adapter:
            of_policies = self._rollout_adapter.num_traces + self._rounds.num_traces
        return self._train_traces + self.held_out.num_traces + of_policies

    @property
    def has_block_graphs(self) -> bool:
        """Whether `graph_of` keeps its bits as a part of another graph.

        XLA compiles it as a whole. Without XLA, TensorFlow would optimize it with what is around.
        """
        return self._xla and self._rollout_adapter is None and not gpus_of_tensorflow()

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
            seed = self._settings.seed
            raise isolate_failing_task(self._run, weights, block, error, seed) from error

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
            metrics = self._run_held_out(self._constants(weights), block)
        return Contribution(
            index=block.index,
            num_tasks=block.hi - block.lo,
            gradient=gradient,
            carry=carry,
            metrics=metrics,
            seconds=time.perf_counter() - started,
        )

    def _run_held_out(self, constants: Constants, block: Block) -> dict[str, Array]:
        """Run a held-out block; see `Block.kind` for the result."""
        if self._rollout_adapter:
            return self._rollout_adapter.run(constants, block)
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
        """Build the training tasks, or have the policy collect them."""
        adapter = self._rollout_adapter
        if adapter is None:
            return self._build(block)
        tasks = self.episodes.get(weights, block, lambda: adapter.gather(constants, block))
        return tasks, tuple(tuple(array.shape) for array in tasks)

    def build(self, block: Block) -> Task:
        """Build the block's tasks as arrays."""
        global_labels = self._global_labels and block.kind == "train"
        episode = self._family.build(block.specs, global_labels=global_labels)
        num_tasks = block.hi - block.lo
        batches = block.specs.get("batches", np.zeros((num_tasks, 0, 0), np.int32))
        seeds = block.specs.get("seeds", np.zeros((num_tasks, 2), np.int32))
        return Task(*episode, batches, seeds)

    def build_ahead(self, block: Block) -> None:
        """Begin to build the tasks of a block that runs next; policies collect theirs instead."""
        if self._rollout_adapter is None:
            self._ahead = self._ahead or TasksAhead(self.build)
            self._ahead.begin(block)

    def close(self) -> None:
        """End the thread that builds tasks ahead, and drop what it built. Idempotent."""
        if self._ahead:
            self._ahead.close()
            self._ahead = None

    def _build(self, block: Block) -> tuple[Task, Shapes]:
        """Build the block's tasks as tensors, and list the shapes of these."""
        ahead = self._ahead.take(block) if self._ahead else None
        arrays = self.build(block) if ahead is None else ahead
        tensors = [tf.constant(array) for array in arrays[:-2]]
        for name, array in (("batches", arrays.batches), ("seeds", arrays.seed)):
            given = name in block.specs
            tensors.append(tf.constant(array) if given else _zeros(array.shape, tf.int32))
        return Task(*tensors), tuple(array.shape for array in arrays)

    def graph_of(self, tasks: Task) -> "BlockGraph":
        """Make the compiled graph of training blocks whose tasks are like these, for another graph.

        Args:
          tasks: tensors.
        """
        theta = tf.zeros(self.theta_layout.size, tf.float32)
        carry = tf.zeros(self._carry.size, tf.float32)
        shapes = tuple(tuple(array.shape) for array in tasks)
        arguments = theta, carry, _zeros((), tf.int32), tasks
        return BlockGraph(*self._train.traced(shapes, *arguments))

    def _train_graph(
        self, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor, tasks: Task
    ) -> Any:
        """Sum over tasks: outer gradients, flat; next carries, flat; metrics."""
        self._train_traces += 1
        if self._execution == "vectorized":
            many = tasks.support_inputs.shape[0] >= _MANY_TASKS
            # Gradients of their own would be dropped: a user's layers and loss may have such.
            users = self._settings.model.is_users or loss_of(self._family).is_users
            memory = self._objective.recompute or self._settings.runtime.micro_batch
            own_gradients = users or memory
            if many and self._algorithm.has_outer_loss and not own_gradients:
                return self._differentiate_together(vector, carried, step, tasks)
        vectorized = self._execution == "vectorized"
        return sum_over(self._of_one_task(vector, carried, step), tasks, vectorized)

    def _of_one_task(self, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor) -> Any:
        """Make the function from a task to the values that are summed over tasks."""
        model, theta = self.train_model, self.theta_layout.split(vector)
        objective = self._objective

        def one(task: Task) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
            start = start_task(model, self._carry, carried, step, task)
            gradient, final, metrics = self._algorithm.outer_gradient(objective, theta, start, task)
            return flatten(gradient), self._flatten_carry(model, final), metrics

        return one

    def _differentiate_together(
        self, vector: tf.Tensor, carried: tf.Tensor, step: tf.Tensor, tasks: Task
    ) -> Any:
        """Compute the sums over `_of_one_task` by one derivative of the sum of the outer losses.

        The gradients of single tasks are then never written to memory. The tape must be inside the
        compiled graph: around its call, XLA would compile again for every theta.
        """
        model, theta = self.train_model, self.theta_layout.split(vector)
        objective = self._objective

        def one(task: Task) -> tuple[tf.Tensor, tf.Tensor, dict[str, tf.Tensor]]:
            start = start_task(model, self._carry, carried, step, task)
            loss, final, metrics = self._algorithm.outer_loss(objective, theta, start, task)
            return loss, self._flatten_carry(model, final), metrics

        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            by_task = tf.vectorized_map(one, tasks)
            losses, *rest = tf.nest.map_structure(lambda x: tf.reduce_sum(x, axis=0), by_task)
        gradient = tape.gradient(losses, theta, unconnected_gradients="zero")
        return flatten(gradient), *rest

    def _flatten_carry(self, model: FunctionalModel, final: Start) -> tf.Tensor:
        """Flatten the part of what a task leaves that is carried to the next step."""
        persistent = len(self._carry.names) > len(model.statistics_names)
        return flatten([*model.statistics(final.state), *(final.moments if persistent else [])])

    def _sums(self, weights: Weights, block: Block) -> Sums:
        """Sum over a training block's tasks: outer gradients, next carries, metrics."""
        constants = self._constants(weights)
        tasks, shapes = self._gather(weights, constants, block)
        if block.round == "first":
            total, carry, metrics = self._train(shapes, *constants, tasks)
            metrics.pop("kl", None)  # 0 at the weights that acted
            carry = carry.numpy()
        else:
            now, argument = tf.constant(weights.now), tf.constant(weights.argument)
            signature = shapes, argument.shape
            total, metrics = self._rounds.run(
                block.round, signature, now, argument, *constants[1:], tasks
            )
            carry = np.zeros_like(weights.carry)
        return total.numpy(), carry, {name: v.numpy() for name, v in metrics.items()}


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


@functools.cache
def _zeros(shape: tuple[int, ...], dtype: tf.DType) -> tf.Tensor:
    """Make zeros, once for each shape and type: it takes a noticeable part of a small step."""
    return tf.zeros(shape, dtype)
