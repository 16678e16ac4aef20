"""Adaptation to a task in training, with the memory that `runtime.inner_memory` chooses."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import tensorflow as tf

from workers.inner.inner_loop import InnerState, Plan, adapt
from workers.inner.losses import Objective, Starts
from workers.inner.recompute import Observe, adapt_in_loop
from workers.wire.protocol import Task


class Adaptation(NamedTuple):
    """The result of an inner loop.

    last: the state after the last step.
    before: the loss of the first step's batch before adapting.
    earlier: computes metrics after each step but the last, or sums of them, by name.
    starts: of the steps; empty where they are not stored.
    """

    last: InnerState
    before: tf.Tensor
    earlier: Callable[[], Mapping[str, list[tf.Tensor]]]
    starts: Starts


def adapt_to(
    objective: Objective,
    initial: InnerState,
    task: Task,
    inner_steps: int,
    plan: Plan,
    later_lr: float = 1.0,
    of_steps: tuple[str, ...] = (),
) -> Adaptation:
    """Adapt to one task; inner_steps >= 1.

    Args:
      later_lr: factor of the plan's rate after the first step.
      of_steps: metrics that are wanted after each step but the last.
    """
    if objective.recompute:
        return _in_loop(objective, initial, task, inner_steps, plan, of_steps)
    states, before = adapt(objective.inner, initial, task, inner_steps, plan, later_lr)
    *earlier, last = states

    def metrics() -> dict[str, list[tf.Tensor]]:
        by_step = [
            objective.intermediate_metrics(inner.theta, inner.state, task, step)
            for step, inner in enumerate(earlier, start=1)
        ]
        return {name: [values[name] for values in by_step] for name in of_steps}

    starts = [(inner.theta, inner.state) for inner in (initial, *earlier)]
    return Adaptation(last, before, metrics, starts)


def _in_loop(
    objective: Objective,
    initial: InnerState,
    task: Task,
    inner_steps: int,
    plan: Plan,
    of_steps: tuple[str, ...],
) -> Adaptation:
    """Adapt in a loop in the graph; with metrics of steps, the last step is a loop of its own."""
    if not of_steps or inner_steps == 1:
        last, before, _ = adapt_in_loop(objective.inner, initial, task, (0, inner_steps), plan)
        return Adaptation(last, before, lambda: {name: [] for name in of_steps}, [])

    def scalars(inner: InnerState, task: Task, step: tf.Tensor) -> list[tf.Tensor]:
        metrics = objective.intermediate_metrics(inner.theta, inner.state, task, step)
        return [metrics[name] for name in of_steps]

    observe, end = Observe(scalars, len(of_steps)), inner_steps - 1
    looped = adapt_in_loop(objective.inner, initial, task, (0, end), plan, observe)
    steps = end, inner_steps
    last, _, _ = adapt_in_loop(objective.inner, looped.last, task, steps, plan)
    sums = {name: [total] for name, total in zip(of_steps, looped.sums, strict=True)}
    return Adaptation(last, looped.before, lambda: sums, [])
