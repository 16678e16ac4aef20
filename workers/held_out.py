"""Held-out tasks: adapt to them, then score, predict, or return what was adapted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import tensorflow as tf

from workers.algorithms.joint import replace_head
from workers.execution.compiled import Compiled
from workers.inner.inner_loop import InnerState
from workers.inner.losses import Objective
from workers.meta_parameters import (
    Layout,
    carry_layout,
    flatten,
    has_global_labels,
    make_test_model,
    start_task,
    theta_layout,
)
from workers.models.functional import FunctionalModel
from workers.policies.loss import make_objective
from workers.settings.worker import ActorSettings
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Adapted, Array, Block, Recipe, Task

Shapes = tuple[tuple[int, ...], ...]
#: theta, carry and step, flat.
Constants = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


class HeldOutTasks:
    """Runs blocks of held-out tasks with the inner loop of training, to the first order.

    model: the model that adapts: the one in training, with a new head in place of a head over all
      training classes.
    num_traces: graphs that were traced.
    """

    def __init__(self, settings: ActorSettings, family: TaskFamily, train_model: FunctionalModel):
        self._settings = settings
        self._algorithm = settings.algorithm
        self._execution, self._xla = settings.execution
        self._theta = theta_layout(settings, train_model)
        self._carry = carry_layout(settings, train_model)
        self._new_head = has_global_labels(settings, family)
        self.model = make_test_model(settings, family) if self._new_head else train_model
        self._family = family
        self._objective = make_objective(settings, family, self.model)
        self.num_traces = 0
        self._graphs: dict[tuple[str, Recipe], Compiled] = {}
        self._answer = Compiled(self._answer_graph, self._xla)

    def run(
        self, block: Block, constants: Constants, tasks: Task, shapes: Shapes
    ) -> dict[str, Array]:
        """Run a block; see `Block.kind` for the result of each task.

        Args:
          shapes: of the arrays in `tasks`.
        """
        assert block.recipe is not None
        graph = self._graph(block.kind, block.recipe)
        values = graph(shapes, *constants, tasks, tf.constant(block.recipe.inner_lr, tf.float32))
        return {name: value.numpy() for name, value in values.items()}

    def answer(self, adapted: Adapted, task: Task) -> Array:
        """Compute the outputs for the queries of one task, [queries, ...], at adapted weights.

        Args:
          task: without a task axis; its support set matters if queries are normalized with it.
        """
        arrays = [tf.convert_to_tensor(array) for array in task]
        weights = tf.constant(adapted.theta), tf.constant(adapted.statistics)
        shapes = tuple(tuple(array.shape) for array in (*arrays, *weights))
        outputs: Array = self._answer(shapes, *weights, Task(*arrays)).numpy()
        return outputs

    def _graph(self, kind: str, recipe: Recipe) -> Compiled:
        inner_steps = recipe.inner_steps
        key = kind, replace(recipe, inner_lr=1.0)  # the rate is an argument of the graph
        if key not in self._graphs:
            objective = self._objective
            if recipe.padded:
                objective = make_objective(self._settings, self._family, self.model, padded=True)
            objective = objective.by(recipe.statistics).for_ways(recipe.ways)

            def graph(*arguments: Any) -> Any:
                self.num_traces += 1
                return self._adapt_all(objective, kind, inner_steps, *arguments)

            self._graphs[key] = Compiled(graph, self._xla)
        return self._graphs[key]

    def _adapt_all(
        self,
        objective: Objective,
        kind: str,
        inner_steps: int,
        vector: tf.Tensor,
        carried: tf.Tensor,
        step: tf.Tensor,
        tasks: Task,
        inner_lr: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        theta = self._theta.split(vector)
        if self._new_head:
            theta = replace_head(theta, self.model.is_head, self.model.shapes)

        def one(task: Task) -> dict[str, tf.Tensor]:
            start = start_task(self.model, self._carry, carried, step, task)
            records, inner_state = self._algorithm.adapt_and_record(
                objective,
                theta,
                start,
                task,
                (inner_steps, inner_lr),
                _record(objective, kind, task),
            )
            return records if kind != "adapt" else self._adapted_arrays(inner_state)

        if self._execution == "vectorized":
            return tf.vectorized_map(one, tasks)
        first = one(Task(*(array[0] for array in tasks)))
        if tasks.support_inputs.shape[0] == 1:  # XLA does not take a loop over nothing
            return {name: value[None] for name, value in first.items()}
        rest = tf.map_fn(
            one,
            Task(*(array[1:] for array in tasks)),
            fn_output_signature={
                name: tf.TensorSpec(value.shape, value.dtype) for name, value in first.items()
            },
            parallel_iterations=1,
        )
        return {name: tf.concat([first[name][None], rest[name]], 0) for name in first}

    def _adapted_arrays(self, inner_state: InnerState) -> dict[str, tf.Tensor]:
        statistics = self.model.statistics(inner_state.state)
        return {"theta": flatten(inner_state.theta), "statistics": flatten(statistics)}

    def _answer_graph(self, vector: tf.Tensor, statistics: tf.Tensor, task: Task) -> tf.Tensor:
        self.num_traces += 1
        layout = Layout(self.model.statistics_names, self.model.statistics_shapes)
        state = self.model.start(layout.split(statistics), task.seed)
        shapes = self._objective.shapes_of(vector.shape[0])
        theta = Layout([""] * len(shapes), list(shapes)).split(vector)
        return self._objective.predict(theta, state, task)


def _record(
    objective: Objective, kind: str, task: Task
) -> Callable[[tf.Tensor], dict[str, tf.Tensor]] | None:
    """Make the function that turns the outputs for queries into what a block asks for."""
    if kind == "adapt":
        return None
    if kind == "evaluate":
        return lambda outputs: objective.score(outputs, task.query_targets)[1]
    return lambda outputs: {"outputs": outputs}
