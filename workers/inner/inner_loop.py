"""The inner loop: one step, and the loop over steps."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from workers.inner.losses import Theta
from workers.inner.optimizers import InnerOptimizer, Moments, scaled
from workers.models.functional import State
from workers.wire.protocol import Task

Loss = Callable[[Theta, State, tf.Tensor, tf.Tensor], tuple[tf.Tensor, State]]


class Learner(NamedTuple):
    """A task in the midst of its inner loop. All lists; moments like the weights that adapt."""

    theta: list[tf.Tensor]
    moments: Moments
    state: State


class Plan(NamedTuple):
    """How an algorithm's inner loop goes, apart from the loss.

    adapts: for each weight, whether it changes. first_order: the inner gradient counts as a
    constant, so that d(adapted)/d(theta) is the identity.
    """

    optimizer: InnerOptimizer
    adapts: Sequence[bool]
    first_order: bool = True


def batch(task: Task, step: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Support inputs and targets of an inner step: of its batch, or all where none is dealt."""
    num_batches = task.batches.shape[0]
    if not num_batches:
        return task.support_inputs, task.support_targets
    chosen = task.batches[step % num_batches]
    examples = task.support_inputs, task.support_targets
    inputs, targets = tf.nest.map_structure(lambda array: tf.gather(array, chosen), examples)
    return inputs, targets


def inner_step(
    loss: Loss, learner: Learner, examples: tuple[tf.Tensor, tf.Tensor], plan: Plan, step: Any
) -> tuple[Learner, tf.Tensor]:
    """One step, the `step`-th from 0; also returns the loss before it."""
    chosen = [w for w, adapts in zip(learner.theta, plan.adapts, strict=True) if adapts]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(chosen)
        value, state = loss(learner.theta, learner.state, *examples)
    gradient = tape.gradient(value, chosen, unconnected_gradients="zero")
    if plan.first_order:
        gradient = [tf.stop_gradient(g) for g in gradient]
    updated, moments = plan.optimizer.update(chosen, gradient, learner.moments, step)
    left = iter(updated)
    theta = [
        next(left) if adapts else w for w, adapts in zip(learner.theta, plan.adapts, strict=True)
    ]
    return Learner(theta, moments, state), value


def adapt(
    loss: Loss, learner: Learner, task: Task, inner_steps: int, plan: Plan, later_lr: float = 1.0
) -> tuple[list[Learner], tf.Tensor]:
    """Adapt to one task; inner_steps >= 1, unrolled into the graph.

    Args:
      later_lr: what the rate of `plan` is multiplied by after the first step.
    Returns:
      the learner after each step, and the loss of the first batch at the weights it started with.
    """
    learners, values = [], []
    for step in range(inner_steps):
        learner, value = inner_step(loss, learner, batch(task, step), plan, step)
        learners.append(learner)
        values.append(value)
        if step == 0 and later_lr != 1:
            plan = plan._replace(optimizer=scaled(plan.optimizer, later_lr))
    return learners, values[0]


def trajectory(
    loss: Loss,
    learner: Learner,
    task: Task,
    inner_steps: int,
    plan: Plan,
    observe: Callable[[Learner], dict[str, tf.Tensor]],
) -> tuple[dict[str, tf.Tensor], Learner]:
    """Adapt, and observe the learner before and after each step: name -> [inner_steps + 1, ...].

    Returns:
      what was observed, and the learner after the last step.

    A loop in the graph, so that fifty steps compile as fast as one; no gradient is taken through
    it.
    """
    start = observe(learner)
    records = {name: tf.stack([value] * (inner_steps + 1)) for name, value in start.items()}

    def body(step: tf.Tensor, learner: Learner, records: Any) -> Any:
        learner, _ = inner_step(loss, learner, batch(task, step), plan, step)
        seen = observe(learner)
        # A masked write: neither XLA nor the vectorizer takes a TensorArray here.
        after = tf.range(inner_steps + 1) > step
        records = {
            name: tf.where(tf.reshape(after, [-1] + [1] * seen[name].shape.rank), seen[name], old)
            for name, old in records.items()
        }
        return step + 1, learner, records

    _, learner, records = tf.while_loop(
        lambda step, *_: step < inner_steps,
        body,
        (tf.constant(0), learner, records),
        parallel_iterations=1,
        maximum_iterations=inner_steps,
    )
    return records, learner
