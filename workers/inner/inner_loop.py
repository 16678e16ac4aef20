"""The inner loop: one step, and the loop over steps."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from workers.execution.separate_call import call_separately
from workers.inner.clipping import clipped
from workers.inner.losses import Theta
from workers.inner.optimizers import InnerOptimizer, Moments, scaled
from workers.models.functional import State
from workers.wire.protocol import Task

Loss = Callable[[Theta, State, tf.Tensor, tf.Tensor], tuple[tf.Tensor, State]]


class InnerState(NamedTuple):
    """What changes while the inner loop adapts to a task.

    theta: the weights, list of float [*shape_i].
    moments: of the inner optimizer, a list like the weights that adapt; empty for plain SGD.
    state: of the model's layers, see `FunctionalModel`.
    """

    theta: list[tf.Tensor]
    moments: Moments
    state: State


class Plan(NamedTuple):
    """The rules of an algorithm's inner loop, apart from the loss.

    optimizer: of the inner loop.
    adapts: for each weight, whether it changes.
    first_order: treat the inner gradient as a constant, so that d(adapted)/d(theta) is the
      identity.
    clip: largest global norm of an inner gradient; None: any.
    of_features: the inputs of the task are features that depend on theta, as in ANIL.
    """

    optimizer: InnerOptimizer
    adapts: Sequence[bool]
    first_order: bool = True
    clip: float | None = None
    of_features: bool = False


def batch(task: Task, step: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Select the support inputs and targets of an inner step; all of them without batches."""
    num_batches = task.batches.shape[0]
    if not num_batches:
        return task.support_inputs, task.support_targets
    chosen = task.batches[step % num_batches]
    examples = task.support_inputs, task.support_targets
    inputs, targets = tf.nest.map_structure(lambda array: tf.gather(array, chosen), examples)
    return inputs, targets


def inner_step(
    loss: Loss,
    inner_state: InnerState,
    examples: tuple[tf.Tensor, tf.Tensor],
    plan: Plan,
    step: Any,
) -> tuple[InnerState, tf.Tensor]:
    """Take the `step`-th step, from 0; return the state after it, and the loss before it."""
    chosen = [w for w, adapts in zip(inner_state.theta, plan.adapts, strict=True) if adapts]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(chosen)
        value, state = loss(inner_state.theta, inner_state.state, *examples)
    gradient = tape.gradient(value, chosen, unconnected_gradients="zero")
    if plan.clip is not None:
        gradient = clipped(gradient, plan.clip)
    if plan.first_order:
        gradient = [tf.stop_gradient(g) for g in gradient]
    updated, moments = plan.optimizer.update(chosen, gradient, inner_state.moments, step)
    remaining = iter(updated)
    theta = [
        next(remaining) if adapts else w
        for w, adapts in zip(inner_state.theta, plan.adapts, strict=True)
    ]
    return InnerState(theta, moments, state), value


def adapt(
    loss: Loss,
    inner_state: InnerState,
    task: Task,
    inner_steps: int,
    plan: Plan,
    later_lr: float = 1.0,
) -> tuple[list[InnerState], tf.Tensor]:
    """Adapt to one task; inner_steps >= 1, unrolled into the graph.

    Args:
      later_lr: factor of the plan's rate after the first step.
    Returns:
      the state after each step, and the loss of the first batch before adapting.
    """
    inner_states, values = [], []
    for step in range(inner_steps):
        inner_state, value = inner_step(loss, inner_state, batch(task, step), plan, step)
        inner_states.append(inner_state)
        values.append(value)
        if step == 0 and later_lr != 1:
            plan = plan._replace(optimizer=scaled(plan.optimizer, later_lr))
    return inner_states, values[0]


def stepping(loss: Loss, task: Task, plan: Plan) -> Callable[[InnerState, Any], InnerState]:
    """Make the function that takes an inner step on a task, given its number, from 0."""
    return lambda state, step: inner_step(loss, state, batch(task, step), plan, step)[0]


def adapt_forward(
    loss: Loss, inner_state: InnerState, task: Task, inner_steps: int, plan: Plan
) -> tuple[InnerState, tf.Tensor]:
    """Adapt to one task; no gradient can be taken through it.

    The loop is part of the graph and stores nothing: neither memory nor graph grow with the steps.

    Returns:
      the state after the last step, and the loss of the first batch before adapting.
    """

    def step(index: tf.Tensor, inner_state: InnerState, before: tf.Tensor) -> Any:
        inner_state, value = inner_step(loss, inner_state, batch(task, index), plan, index)
        value = tf.cast(value, before.dtype)
        return index + 1, inner_state, tf.where(tf.equal(index, 0), value, before)

    # What depends on the task from the beginning is vectorized in one attempt, not in three.
    zero = task.seed[0] * 0
    inner_state = tf.nest.map_structure(lambda x: x + tf.cast(zero, x.dtype), inner_state)
    _, inner_state, before = tf.while_loop(
        lambda index, *_: index < inner_steps,
        lambda *values: call_separately(step, *values),
        (tf.constant(0), inner_state, tf.cast(zero, inner_state.theta[0].dtype)),
        parallel_iterations=1,
        maximum_iterations=inner_steps,
    )
    return inner_state, before


def record_adaptation(
    take: Callable[[InnerState, tf.Tensor], InnerState],
    inner_state: InnerState,
    inner_steps: int,
    observe: Callable[[InnerState], dict[str, tf.Tensor]],
) -> tuple[dict[str, tf.Tensor], InnerState]:
    """Adapt, and record what `observe` returns before and after each step.

    The loop is part of the graph, so that fifty steps compile as fast as one. No gradient is taken
    through it.

    Args:
      take: takes an inner step, given its number, from 0; of one task, or of many.
    Returns:
      the records, name -> [inner_steps + 1, ...], and the state after the last step.
    """
    start = observe(inner_state)
    records = {name: tf.stack([value] * (inner_steps + 1)) for name, value in start.items()}

    def body(step: tf.Tensor, inner_state: InnerState, records: Any) -> Any:
        inner_state = take(inner_state, step)
        observed = observe(inner_state)
        # A masked write: XLA does not take a TensorArray here.
        after = tf.range(inner_steps + 1) > step
        records = {name: _where(after, observed[name], old) for name, old in records.items()}
        return step + 1, inner_state, records

    _, inner_state, records = tf.while_loop(
        lambda step, *_: step < inner_steps,
        body,
        (tf.constant(0), inner_state, records),
        parallel_iterations=1,
        maximum_iterations=inner_steps,
    )
    return records, inner_state


def _where(chosen: tf.Tensor, new: tf.Tensor, old: tf.Tensor) -> tf.Tensor:
    """Take rows of `old` [steps, ...], and `new` [...] in place of the chosen ones."""
    return tf.where(tf.reshape(chosen, [-1] + [1] * new.shape.rank), new, old)
