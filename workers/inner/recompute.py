"""The inner loop in constant memory: a loop in the graph, whose gradient recomputes each step.

Forward, what each step starts from is stored. Backward, one step at a time is computed again from
there, with its vector-Jacobian product. So memory is that of one step's graph and the stored
weights, and a graph with a hundred steps is traced as fast as one with a single step.

Source: reverse-mode differentiation with a checkpoint at each step, Griewank & Walther 2008,
"Evaluating Derivatives", chapter 12.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from workers.execution.separate_call import call_separately
from workers.inner.inner_loop import InnerState, Loss, Plan, batch, inner_step
from workers.wire.protocol import Task

Tensors = list[tf.Tensor]


class Observe(NamedTuple):
    """What is summed over the states after each step.

    scalars: (state after a step, task, number of steps done) -> differentiable scalars.
    number: of scalars.
    """

    scalars: Callable[[InnerState, Task, tf.Tensor], Tensors]
    number: int


class Looped(NamedTuple):
    """The result of a loop.

    last: the state after the last step.
    before: the loss of the first step's batch before adapting; no gradient is taken through it.
    sums: of what was observed after each step.
    """

    last: InnerState
    before: tf.Tensor
    sums: Tensors


def adapt_in_loop(
    loss: Loss,
    initial: InnerState,
    task: Task,
    steps: tuple[int, int],
    plan: Plan,
    observe: Observe | None = None,
) -> Looped:
    """Adapt to one task, like `adapt`, with the same gradient.

    Args:
      steps: the first step, and the one after the last; at least one.
    """
    parts = _Parts(initial, task, plan)

    def step(index: tf.Tensor, moving: Tensors, rest: Tensors, constants: Tensors) -> Any:
        before, at, rules = parts.join(moving, rest, constants)
        after, value = inner_step(loss, before, batch(at, index), rules, index)
        sums = observe.scalars(after, at, index + 1) if observe else []
        # A model in mixed precision may have a loss of another type than its weights.
        value, *sums = (tf.cast(x, initial.theta[0].dtype) for x in (value, *sums))
        return *parts.split(after), value, sums

    loop = _Loop(step, parts, steps, observe.number if observe else 0)
    identity = parts.is_identity and observe is None
    moving, rest, before, sums = loop.as_identity() if identity else loop.recomputed()
    return Looped(parts.join(moving, rest, parts.constants)[0], before, sums)


class _Parts:
    """The tensors of an inner loop, by what the gradient does with them.

    moving: differentiated, and changed by each step: adapting weights, moments, the layers' floats.
    rest: changed by each step, and not differentiated: seeds; in the first order the moments.
    constants: differentiated, and the same in each step: other weights, rates, features.
    """

    def __init__(self, initial: InnerState, task: Task, plan: Plan):
        self._initial, self._task, self._plan = initial, task, plan
        self._is_float = [value.dtype.is_floating for value in initial.state]
        self._optimizer = tf.nest.flatten(plan.optimizer)
        self._tensors = [i for i, leaf in enumerate(self._optimizer) if _is_rate(leaf)]
        self._zero = task.seed[0] * 0
        self.moving, self.rest = map(self.of_task, self.split(initial))
        self.constants = [
            *(w for w, adapts in zip(initial.theta, plan.adapts, strict=True) if not adapts),
            *(self._optimizer[i] for i in self._tensors),
            *([task.support_inputs, task.query_inputs] if plan.of_features else []),
        ]

    @property
    def is_identity(self) -> bool:
        """Whether the derivative of the weights after a step is the identity, and no more."""
        return self._plan.first_order and not self._tensors and not any(self._is_float)

    def zeros(self, shape: Any, dtype: tf.DType) -> tf.Tensor:
        """Make zeros that depend on the task.

        A loop all of whose values depend on the task is vectorized in one attempt, not in three.
        """
        return tf.zeros(shape, dtype) + tf.cast(self._zero, dtype)

    def of_task(self, tensors: Sequence[tf.Tensor]) -> Tensors:
        """Make tensors depend on the task."""
        return [x + tf.cast(self._zero, x.dtype) for x in tensors]

    def split(self, state: InnerState) -> tuple[Tensors, Tensors]:
        """Return `moving` and `rest` of a state."""
        moving = [w for w, adapts in zip(state.theta, self._plan.adapts, strict=True) if adapts]
        floats = [value for value, of in zip(state.state, self._is_float, strict=True) if of]
        others = [value for value, of in zip(state.state, self._is_float, strict=True) if not of]
        if self._plan.first_order:
            return [*moving, *floats], [*state.moments, *others]
        return [*moving, *state.moments, *floats], others

    def join(
        self, moving: Tensors, rest: Tensors, constants: Tensors
    ) -> tuple[InnerState, Task, Plan]:
        """Return the state, task and plan that consist of these tensors; inverts `split`."""
        plan, initial = self._plan, self._initial
        changing, others, fixed = iter(moving), iter(rest), iter(constants)
        chosen = [next(changing) for adapts in plan.adapts if adapts]
        of_moments = others if plan.first_order else changing
        moments = [next(of_moments) for _ in initial.moments]
        state = [next(changing if of else others) for of in self._is_float]
        weights = iter(chosen)
        theta = [next(weights if adapts else fixed) for adapts in plan.adapts]
        leaves = list(self._optimizer)
        for i in self._tensors:
            leaves[i] = next(fixed)
        optimizer = tf.nest.pack_sequence_as(plan.optimizer, leaves)
        task = self._task
        if plan.of_features:
            task = task._replace(support_inputs=next(fixed), query_inputs=next(fixed))
        return InnerState(theta, moments, state), task, plan._replace(optimizer=optimizer)


def _is_rate(leaf: Any) -> bool:
    return bool(tf.is_tensor(leaf) and leaf.dtype.is_floating)


class _Loop:
    """The loop over steps, as one operation with a gradient of its own.

    Args:
      step: (index, moving, rest, constants) -> (moving, rest, loss before, scalars).
      steps: the first step, and the one after the last.
      num_sums: the number of scalars.
    """

    def __init__(self, step: Any, parts: _Parts, steps: tuple[int, int], num_sums: int):
        self._step, self._parts, self._num_sums = step, parts, num_sums
        self._first, self._stop = steps

    def as_identity(self) -> Any:
        """Run the loop; the gradient passes it as if it did nothing."""
        parts = self._parts

        @tf.custom_gradient
        def run(*moving: tf.Tensor) -> Any:
            outputs, _ = self._forward(list(moving), parts.constants, stores=False)

            def gradient(*cotangents: tf.Tensor, variables: Any = ()) -> Any:
                return _with_variables(list(cotangents[: len(moving)]), variables)

            return tuple(tf.nest.flatten(outputs)), gradient

        return self._named(run(*parts.moving))

    def recomputed(self) -> Any:
        """Run the loop; the gradient goes back through it, and computes each step again."""
        parts, num_moving = self._parts, len(self._parts.moving)

        @tf.custom_gradient
        def run(*arguments: tf.Tensor) -> Any:
            moving, constants = list(arguments[:num_moving]), list(arguments[num_moving:])
            outputs, stored = self._forward(moving, constants, stores=True)

            def gradient(*cotangents: tf.Tensor, variables: Any = ()) -> Any:
                of_sums = list(cotangents[len(cotangents) - self._num_sums :])
                of_moving = list(cotangents[:num_moving])
                return _with_variables(
                    self._backward(stored, of_moving, of_sums, constants), variables
                )

            return tuple(tf.nest.flatten(outputs)), gradient

        return self._named(run(*parts.moving, *parts.constants))

    def _named(self, flat: Any) -> Any:
        """Undo the flattening of the loop's outputs."""
        parts = self._parts
        form = parts.moving, parts.rest, 0, [0] * self._num_sums
        return tf.nest.pack_sequence_as(form, list(flat))

    def _forward(self, moving: Tensors, constants: Tensors, stores: bool) -> Any:
        """Run the steps; return the outputs, and what each step started from if it is stored."""
        first, stop, rest = self._first, self._stop, self._parts.rest
        zeros = self._parts.zeros
        zero = zeros([], moving[0].dtype)
        kept = [*moving, *rest] if stores else []
        # Not TensorArrays, which XLA does not take in a loop that is vectorized.
        stacks = [zeros([stop - first, *x.shape], x.dtype) for x in kept]

        def body(index: Any, moving: Any, rest: Any, before: Any, sums: Any, stacks: Any) -> Any:
            if stores:
                row, pairs = [[index - first]], zip(stacks, [*moving, *rest], strict=True)
                stacks = [tf.tensor_scatter_nd_update(to, row, x[None]) for to, x in pairs]
            arguments = index, moving, rest, constants
            moving, rest, value, observed = call_separately(self._step, *arguments)
            before = tf.where(tf.equal(index, first), value, before)
            sums = [total + x for total, x in zip(sums, observed, strict=True)]
            return index + 1, moving, rest, before, sums, stacks

        start = tf.constant(first), moving, rest, zero, [zero] * self._num_sums, stacks
        _, *outputs, stacks = tf.while_loop(
            lambda index, *_: index < stop,
            body,
            start,
            parallel_iterations=1,
            maximum_iterations=stop - first,
        )
        return outputs, stacks

    def _backward(
        self, stored: Any, of_moving: Tensors, of_sums: Tensors, constants: Tensors
    ) -> Tensors:
        """Turn cotangents of the outputs into those of what moves, and of the constants."""
        first, number = self._first, self._stop - self._first
        num_moving = len(of_moving)

        def body(left: tf.Tensor, of_moving: Tensors, totals: Tensors) -> Any:
            values = [stack[left - 1] for stack in stored]
            starts = values[:num_moving], values[num_moving:], constants
            gradient = call_separately(
                self._step_backward, first + left - 1, *starts, [*of_moving, *of_sums]
            )
            totals = [t + g for t, g in zip(totals, gradient[num_moving:], strict=True)]
            return left - 1, gradient[:num_moving], totals

        parts = self._parts
        totals = [parts.zeros(c.shape, c.dtype) for c in constants]
        start = tf.constant(number), parts.of_task(of_moving), totals
        _, of_moving, totals = tf.while_loop(
            lambda left, *_: left > 0,
            body,
            start,
            parallel_iterations=1,
            maximum_iterations=number,
        )
        return [*of_moving, *totals]

    def _step_backward(
        self,
        index: tf.Tensor,
        moving: Tensors,
        rest: Tensors,
        constants: Tensors,
        cotangents: Tensors,
    ) -> Tensors:
        """Turn cotangents of what moves after a step, and of its scalars, into those before it."""
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*moving, *constants])
            after, _, _, scalars = self._step(index, moving, rest, constants)
        gradient = tape.gradient(
            [*after, *scalars],
            [*moving, *constants],
            output_gradients=cotangents,
            unconnected_gradients="zero",
        )
        return [tf.convert_to_tensor(g) for g in gradient]


def _with_variables(gradient: Tensors, variables: Any) -> Any:
    """Add that variables, such as frozen weights, get no gradient, where the model has any."""
    return (gradient, [None] * len(variables)) if variables else gradient
