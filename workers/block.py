"""The block runner: build the episodes of a block, map the algorithm over them, and sum.

The in-process pool and the Ray actor both call it. It does not use Ray.
"""

import functools
import time

import numpy as np
import tensorflow as tf

from workers.execution.fault_isolation import Sums, isolate_failing_task, sum_finite
from workers.execution.runtime import gpus_of_tensorflow
from workers.execution.tasks_ahead import TasksAhead
from workers.held_out import Constants, HeldOutTasks, Shapes
from workers.losses.registry import loss_of
from workers.meta_parameters import has_global_labels, make_learned_model
from workers.policies.episode_cache import EpisodeCache
from workers.policies.loss import make_objective
from workers.policies.rollout_runner import RolloutRunner, make_rollout_runner
from workers.policies.rounds import Rounds
from workers.settings.worker import ActorSettings
from workers.tasks.environments.family import has_environments
from workers.tasks.family import TaskFamily
from workers.tasks.sizes import has_ranges
from workers.training import TrainingTasks
from workers.wire.errors import MetatrainError
from workers.wire.protocol import Array, Block, Contribution, Task, Weights
from workers.wire.tensors import all_finite


class BlockRunner:
    """A pure function of (weights, block), with what is expensive to build: model, graphs, data.

    train_model: the model in training, whose weights are in theta.
    model_digest: see `Model.digest`.
    loss_digest: see `Loss.digest`.
    training: the graphs of training blocks.
    held_out: runs blocks of held-out tasks with examples.
    episodes: cache of the episodes of policies.
    """

    def __init__(self, settings: ActorSettings, family: TaskFamily):
        self._settings = settings
        self._family = family
        self._global_labels = has_global_labels(settings, family)
        self.train_model = make_learned_model(settings, family)
        self.model_digest = settings.model.digest(self.train_model)
        self.loss_digest = loss_of(family).digest()
        padded = has_ranges(settings.task)
        self._objective = make_objective(settings, family, self.train_model, padded)
        self.training = TrainingTasks(settings, family, self.train_model, self._objective)
        self.held_out = HeldOutTasks(settings, family, self.train_model)
        self._rollout_adapter: RolloutRunner | None = None
        if has_environments(family):
            self._rollout_adapter = make_rollout_runner(
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
        return self.training.num_traces + self.held_out.num_traces + of_policies

    @property
    def has_block_graphs(self) -> bool:
        """Whether `TrainingTasks.graph_of` keeps its bits as a part of another graph.

        XLA compiles it as a whole. Without XLA, TensorFlow would optimize it with what is around.
        """
        xla = self._settings.execution[1]
        return xla and self._rollout_adapter is None and not gpus_of_tensorflow()

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
        if not self.training.uses_step:  # then there is no carry either
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

    def _sums(self, weights: Weights, block: Block) -> Sums:
        """Sum over a training block's tasks: outer gradients, next carries, metrics."""
        constants = self._constants(weights)
        tasks, shapes = self._gather(weights, constants, block)
        if block.round == "first":
            total, carry, metrics = self.training.run(weights.step, shapes, constants, tasks)
            metrics.pop("kl", None)  # 0 at the weights that acted
            carry = carry.numpy()
        else:
            now, argument = tf.constant(weights.now), tf.constant(weights.argument)
            signature = shapes, argument.shape
            total, metrics = self._rounds.run(
                block.round, weights.step, signature, now, argument, *constants[1:], tasks
            )
            carry = np.zeros_like(weights.carry)
        return total.numpy(), carry, {name: v.numpy() for name, v in metrics.items()}


@functools.cache
def _zeros(shape: tuple[int, ...], dtype: tf.DType) -> tf.Tensor:
    """Make zeros, once for each shape and type: it takes a noticeable part of a small step."""
    return tf.zeros(shape, dtype)
