"""Runs a block: build the episodes, map the algorithm over them, sum.

The in-process pool and the Ray actor both call this; there is no Ray in here.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf

from workers.algorithms import joint, maml, reptile
from workers.errors import NonFiniteError
from workers.inner import make_optimizer, trajectory
from workers.losses import Objective
from workers.models.functional import make_model
from workers.protocol import Block, Contribution, Episode, Recipe, Vector, take
from workers.settings import WorkerSettings
from workers.tasks.family import TaskFamily

OUTER_GRADIENTS: dict[str, Callable[..., Any]] = {
    "maml": maml.outer_gradient,
    "reptile": reptile.outer_gradient,
    "joint": joint.outer_gradient,
}


class BlockRunner:
    """A pure function of (theta, block), with what it costs to build: model, graph, data.

    `num_traces` counts how often a block was traced: once per kind and shape, never more.
    """

    def __init__(self, settings: WorkerSettings, family: TaskFamily):
        self._settings = settings
        self._family = family
        self._execution, self._xla = settings.execution
        num_outputs = num_train_outputs(settings, family)
        self._global_labels = (
            settings.algorithm.kind == "joint" and family.num_train_classes is not None
        )
        self.train_model = make_model(settings.model, family.input_shape, num_outputs)
        self.test_model = self.train_model
        if self._global_labels:
            self.test_model = make_model(settings.model, family.input_shape, family.num_outputs)
        self.num_traces = 0
        self._train = self._compile(self._train_graph)
        self._adapts: dict[tuple[int, bool], Any] = {}

    def run(self, theta: Vector, block: Block) -> Contribution:
        """Run `block` at theta, float32 [parameters].

        Raises:
          NonFiniteError: theta or the block's gradient is not finite; names the tasks.
        """
        started = time.perf_counter()
        train = block.kind == "train"
        episodes = self._family.build(block.specs, global_labels=train and self._global_labels)
        tensors = Episode(*(tf.constant(array) for array in episodes))
        if train:
            total, metrics = self._train(tf.constant(theta), tensors)
            gradient = total.numpy()
            # Both: a fused matmul and relu on the CPU makes NaN weights 0, and its gradient finite.
            if not (np.isfinite(theta).all() and np.isfinite(gradient).all()):
                raise NonFiniteError(self._name_culprit(theta, block))
        else:
            assert block.recipe is not None
            metrics = self._adapt(block.recipe, block.kind == "predict")(
                tf.constant(theta), tensors, tf.constant(block.recipe.inner_lr, tf.float32)
            )
            gradient = np.zeros(0, np.float32)
        return Contribution(
            index=block.index,
            num_tasks=block.hi - block.lo,
            gradient=gradient,
            metrics={name: value.numpy() for name, value in metrics.items()},
            seconds=time.perf_counter() - started,
        )

    def _train_graph(self, vector: tf.Tensor, episodes: Episode) -> Any:
        """Sum of outer gradients, flat, and of metrics."""
        self.num_traces += 1
        theta = self.train_model.split(vector)
        objective = self._objective(self.train_model)
        outer_gradient = OUTER_GRADIENTS[self._settings.algorithm.kind]

        def one(episode: Episode) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
            gradient, metrics = outer_gradient(objective, theta, episode, self._settings.algorithm)
            flat = tf.concat([tf.reshape(g, [-1]) for g in gradient], axis=0)
            return flat, metrics

        if self._execution == "vectorized":
            each = tf.vectorized_map(one, episodes)
            return tf.nest.map_structure(lambda value: tf.reduce_sum(value, axis=0), each)
        # The first task is run ahead of the loop to learn what metrics there are.
        first = one(Episode(*(array[0] for array in episodes)))
        rest = Episode(*(array[1:] for array in episodes))
        return tf.foldl(
            lambda total, episode: tf.nest.map_structure(tf.add, total, one(episode)),
            rest,
            initializer=first,
            parallel_iterations=1,
        )

    def _adapt(self, recipe: Recipe, predict: bool) -> Any:
        """The compiled evaluation (or prediction) of a block for so many inner steps."""
        key = (recipe.inner_steps, predict)
        if key not in self._adapts:

            def graph(vector: tf.Tensor, episodes: Episode, inner_lr: tf.Tensor) -> Any:
                self.num_traces += 1
                return self._adapt_graph(vector, episodes, inner_lr, recipe.inner_steps, predict)

            self._adapts[key] = self._compile(graph)
        return self._adapts[key]

    def _adapt_graph(
        self,
        vector: tf.Tensor,
        episodes: Episode,
        inner_lr: tf.Tensor,
        inner_steps: int,
        predict: bool,
    ) -> dict[str, tf.Tensor]:
        theta = self.train_model.split(vector)
        if self._global_labels:
            theta = joint.replace_head(theta, self.test_model.names, self.test_model.shapes)
        objective = self._objective(self.test_model)
        algorithm = self._settings.algorithm
        optimizer = make_optimizer(getattr(algorithm, "inner_optimizer", "sgd"), inner_lr)

        def one(episode: Episode) -> dict[str, tf.Tensor]:
            def observe(weights: Any) -> dict[str, tf.Tensor]:
                outputs = objective.model.apply(weights, episode.query_inputs)
                if predict:
                    return {"outputs": outputs}
                return objective.score(outputs, episode.query_targets)[1]

            support = (episode.support_inputs, episode.support_targets)
            return trajectory(objective.inner, theta, support, inner_steps, optimizer, observe)

        if self._execution == "vectorized":
            return tf.vectorized_map(one, episodes)
        first = one(Episode(*(array[0] for array in episodes)))
        rest = tf.map_fn(
            one,
            Episode(*(array[1:] for array in episodes)),
            fn_output_signature={
                name: tf.TensorSpec(value.shape, value.dtype) for name, value in first.items()
            },
            parallel_iterations=1,
        )
        return {name: tf.concat([first[name][None], rest[name]], 0) for name in first}

    def _objective(self, model: Any) -> Objective:
        family = self._family
        ways = family.num_outputs if family.loss == "cross_entropy" else 1
        return Objective(model, family.loss, self._settings.algorithm.inner_loss, ways)

    def _compile(self, graph: Callable[..., Any]) -> Any:
        return tf.function(graph, jit_compile=self._xla, autograph=False)

    def _name_culprit(self, theta: Vector, block: Block) -> str:
        """Run the block's tasks one by one to name the first that is not finite."""
        if not np.isfinite(theta).all():
            return f"the weights are not finite at step {block.step}"
        for task in range(block.hi - block.lo):
            specs = take(block.specs, task, task + 1)
            built = self._family.build(specs, global_labels=self._global_labels)
            episodes = Episode(*(tf.constant(array) for array in built))
            gradient, metrics = self._train(tf.constant(theta), episodes)
            if not np.isfinite(gradient.numpy()).all():
                losses = {name: float(value) for name, value in metrics.items()}
                return f"step {block.step}, task {block.lo + task}: gradient not finite, {losses}"
        return f"step {block.step}, tasks {block.lo} to {block.hi - 1}: their sum is not finite"


def num_train_outputs(settings: WorkerSettings, family: TaskFamily) -> int:
    """Outputs of the model whose weights theta are: joint classifies all training classes."""
    if settings.algorithm.kind == "joint" and family.num_train_classes is not None:
        return family.num_train_classes
    return family.num_outputs
