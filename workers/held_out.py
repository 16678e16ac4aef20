"""Held-out tasks: adapt to them, then score, predict, or return what was adapted."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from workers.algorithms.algorithm import Start
from workers.algorithms.joint import replace_head
from workers.execution.compiled import Compiled
from workers.heads.linear_head import LinearHead
from workers.held_out_records import ADAPT_BY_STEP, observer, record_of
from workers.inner.inner_loop import InnerState, Plan, record_adaptation, stepping
from workers.inner.losses import Objective
from workers.losses.registry import loss_of
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
from workers.wire.protocol import OUTPUTS, TARGETS, Adapted, Array, Block, Recipe, Task

Shapes = tuple[tuple[int, ...], ...]
#: theta, carry and step, flat.
Constants = tuple[tf.Tensor, tf.Tensor, tf.Tensor]


class HeldOutTasks:
    """Runs blocks of held-out tasks with the inner loop of training, to the first order.

    model: the model that adapts: the one in training, with a new head in place of a head over all
      training classes.
    plain: the model that predicts with adapted weights, see `FunctionalModel.plain`.
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
        self.plain = self.model.plain
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
        if block.recipe.on_support:
            tasks, shapes = _on_support(tasks, shapes)
        graph = self._graph(block.kind, block.recipe)
        tensors = graph(shapes, *constants, tasks, tf.constant(block.recipe.inner_lr, tf.float32))
        values = {name: value.numpy() for name, value in tensors.items()}
        if OUTPUTS in values:
            values[OUTPUTS] = values[OUTPUTS][:, list(block.recipe.outputs_after)]
            values[TARGETS] = np.asarray(tasks.query_targets)
        return values

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

    @property
    def answers_see_support(self) -> bool:
        """Whether queries are normalized with the support set when they are answered."""
        return self._objective.sees_support

    def adapt_in_graph(
        self, recipe: Recipe, constants: Constants, tasks: Task, inner_lr: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """Adapt within a graph of the caller's; see `Block.kind` "adapt"."""
        objective = self._objective_of(recipe)
        steps = recipe.inner_steps
        return self._adapt_all(objective, "adapt", steps, False, *constants, tasks, inner_lr)

    def adapt_by_step_in_graph(
        self, recipe: Recipe, constants: Constants, tasks: Task, inner_lr: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        """As `adapt_in_graph`, before and after each inner step: [tasks, inner_steps + 1, ..]."""
        objective = self._objective_of(recipe)
        steps = recipe.inner_steps
        return self._adapt_all(objective, ADAPT_BY_STEP, steps, False, *constants, tasks, inner_lr)

    def answer_in_graph(self, vector: tf.Tensor, statistics: tf.Tensor, task: Task) -> tf.Tensor:
        """Answer as `answer` within a graph of the caller's."""
        return self._answer_graph(vector, statistics, task)

    def _objective_of(self, recipe: Recipe) -> Objective:
        objective = self._objective
        if recipe.padded:
            objective = make_objective(self._settings, self._family, self.model, padded=True)
        return objective.by(recipe.statistics).for_ways(recipe.ways)

    def _graph(self, kind: str, recipe: Recipe) -> Compiled:
        inner_steps = recipe.inner_steps
        # The rate is an argument of the graph, and so are the queries.
        key = kind, replace(recipe, inner_lr=1.0, on_support=False)
        if key not in self._graphs:
            objective = self._objective_of(recipe)
            keep = bool(recipe.outputs_after) and loss_of(self._family).is_covered

            def graph(*arguments: Any) -> Any:
                self.num_traces += 1
                return self._adapt_all(objective, kind, inner_steps, keep, *arguments)

            self._graphs.setdefault(key, Compiled(graph, self._xla))  # any thread may be first
        return self._graphs[key]

    def _adapt_all(
        self,
        objective: Objective,
        kind: str,
        inner_steps: int,
        keep: bool,
        vector: tf.Tensor,
        carried: tf.Tensor,
        step: tf.Tensor,
        tasks: Task,
        inner_lr: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        theta = self._theta.split(vector)
        if self._new_head:
            theta = replace_head(theta, self.model.is_head, self.model.shapes)

        algorithm = self._algorithm

        def start_of(task: Task) -> Start:
            return start_task(self.model, self._carry, carried, step, task)

        def begin(task: Task) -> tuple[InnerState, Plan]:
            return algorithm.start_on(objective, theta, start_of(task), task, inner_lr)

        def one(task: Task) -> dict[str, tf.Tensor]:
            record = record_of(objective, kind, task, keep)
            if algorithm.closed_form:
                start = start_of(task)
                if kind == ADAPT_BY_STEP:
                    return self._states_at_once(objective, theta, start, task)
                records, inner_state = algorithm.adapt_at_once(
                    objective, theta, start, task, record
                )
            else:
                task = objective.real_support(task)
                inner_state, plan = begin(task)
                take = stepping(objective.inner, task, plan)
                observe = observer(objective, task, record)
                if kind == ADAPT_BY_STEP:
                    observe = self._adapted_arrays
                records, inner_state = record_adaptation(take, inner_state, inner_steps, observe)
            return records if kind != "adapt" else self._adapted_arrays(inner_state)

        if self._execution == "vectorized" and algorithm.closed_form:
            return tf.vectorized_map(one, tasks)
        if self._execution == "vectorized":
            return self._adapt_together(objective, kind, inner_steps, keep, begin, tasks)
        values_of_first = one(Task(*(array[0] for array in tasks)))
        if tasks.support_inputs.shape[0] == 1:  # XLA does not take a loop over nothing
            return {name: value[None] for name, value in values_of_first.items()}
        rest = tf.map_fn(
            one,
            Task(*(array[1:] for array in tasks)),
            fn_output_signature={
                name: tf.TensorSpec(value.shape, value.dtype)
                for name, value in values_of_first.items()
            },
            parallel_iterations=1,
        )
        return {
            name: tf.concat([value[None], rest[name]], 0) for name, value in values_of_first.items()
        }

    def _adapt_together(
        self,
        objective: Objective,
        kind: str,
        inner_steps: int,
        keep: bool,
        begin: Callable[[Task], tuple[InnerState, Plan]],
        tasks: Task,
    ) -> dict[str, tf.Tensor]:
        """Adapt to all tasks of a block as one batch.

        The loop over inner steps is around the maps over tasks: to vectorize a loop takes
        TensorFlow ten times as long as to vectorize a step.
        """
        _, plan = begin(Task(*(array[0] for array in tasks)))  # the same for all tasks
        states = tf.vectorized_map(lambda task: begin(task)[0], tasks)

        def take(states: InnerState, step: tf.Tensor) -> InnerState:
            return tf.vectorized_map(
                lambda pair: stepping(objective.inner, pair[0], plan)(pair[1], step),
                (tasks, states),
            )

        def seen(pair: tuple[Task, InnerState]) -> dict[str, tf.Tensor]:
            task, state = pair
            return observer(objective, task, record_of(objective, kind, task, keep))(state)

        def observe(states: InnerState) -> dict[str, tf.Tensor]:
            if kind == ADAPT_BY_STEP:
                return tf.vectorized_map(self._adapted_arrays, states)
            return {} if kind == "adapt" else tf.vectorized_map(seen, (tasks, states))

        records, states = record_adaptation(take, states, inner_steps, observe)
        if kind == "adapt":
            return tf.vectorized_map(self._adapted_arrays, states)
        return {
            name: tf.experimental.numpy.moveaxis(value, 1, 0) for name, value in records.items()
        }

    def _states_at_once(
        self, objective: Objective, theta: list[tf.Tensor], start: Start, task: Task
    ) -> dict[str, tf.Tensor]:
        """Return what `_adapted_arrays` gives before and after, where `closed_form`."""
        _, after = self._algorithm.adapt_at_once(objective, theta, start, task, None)
        *body, kernel, bias = after.theta
        before = after._replace(theta=[*body, *LinearHead(kernel, bias).blank()])
        arrays = [self._adapted_arrays(state) for state in (before, after)]
        return {name: tf.stack([each[name] for each in arrays]) for name in arrays[0]}

    def _adapted_arrays(self, inner_state: InnerState) -> dict[str, tf.Tensor]:
        theta, statistics = self.model.settled(inner_state.theta, inner_state.state)
        return {"theta": flatten(theta), "statistics": flatten(statistics)}

    def _answer_graph(self, vector: tf.Tensor, statistics: tf.Tensor, task: Task) -> tf.Tensor:
        self.num_traces += 1
        plain, objective = self.plain, self._objective
        layout = Layout(plain.statistics_names, plain.statistics_shapes)
        state = plain.start(layout.split(statistics), task.seed)
        if plain is not self.model:
            objective = objective.of(plain)
        shapes = objective.shapes_of(vector.shape[0])
        theta = Layout([""] * len(shapes), list(shapes)).split(vector)
        return objective.predict(theta, state, task)


def _on_support(tasks: Task, shapes: Shapes) -> tuple[Task, Shapes]:
    """Put the support set in the place of the queries.

    It is repeated up to their number, if that is a multiple: means stay the same, and so does the
    graph.
    """
    support, queries = tasks.support_targets.shape[1], tasks.query_targets.shape[1]
    times = queries // support if queries % support == 0 else 1
    inputs, targets = (
        tf.tile(array, [1, times] + [1] * (array.shape.rank - 2))
        for array in (tasks.support_inputs, tasks.support_targets)
    )
    own = tuple(inputs.shape), tuple(targets.shape)
    tasks = tasks._replace(query_inputs=inputs, query_targets=targets)
    return tasks, (*shapes[:2], *own, *shapes[4:])
