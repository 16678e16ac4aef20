"""MAML and its first-order form; its relatives differ in how a task is adapted to."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from workers.algorithms.algorithm import Start, gradient_of, learn_all
from workers.inner.inner_loop import Learner, Plan, adapt
from workers.inner.losses import Metrics, Objective, Theta
from workers.models.functional import FunctionalModel
from workers.wire.protocol import Task

Learn = Callable[[FunctionalModel, Theta, Start, Any, Any], tuple[Learner, Plan]]


def outer_loss(
    objective: Objective,
    theta: Theta,
    start: Start,
    task: Task,
    settings: Any,
    learn: Learn = learn_all,
) -> tuple[tf.Tensor, Start, Metrics]:
    """The query loss of the adapted weights, to be differentiated with respect to theta.

    Args:
      theta: list of float [*shape_i], all that is meta-learned.
      settings: inner_lr > 0, inner_steps >= 1; later_lr > 0, for the steps after the first;
        first_order drops the second derivative; multi_step: the mean of the losses after each
        inner step (Antoniou et al. 2019, arXiv:1810.09502, section 4, with equal weights).
      learn: how the task is adapted to; see `Algorithm`.
    Returns:
      the loss; the rest as `Algorithm` has it.
    Source: Finn et al. 2017, arXiv:1703.03400, algorithms 1 and 2.
    """
    learner, plan = learn(objective.model, theta, start, settings, settings.inner_lr)
    loss, learner, metrics = adapted_loss(objective, learner, task, settings, plan)
    return loss, start._replace(state=learner.state, moments=learner.moments), metrics


def adapted_loss(
    objective: Objective, learner: Learner, task: Task, settings: Any, plan: Plan
) -> tuple[tf.Tensor, Learner, Metrics]:
    """Adapt and judge: the scalar to be differentiated, the learner after it, and metrics."""
    learners, before = adapt(
        objective.inner, learner, task, settings.inner_steps, plan, settings.later_lr
    )
    *earlier, last = learners
    after, metrics, state = objective.outer(last.theta, last.state, task)
    del metrics["loss"]
    metrics = {"loss_before": before / objective.inner_scale, "loss_after": after, **metrics}
    loss = after
    if settings.multi_step:
        on_the_way = [
            objective.on_the_way(each.theta, each.state, task, step)
            for step, each in enumerate(earlier, start=1)
        ]
        loss = mean([*(found["loss"] for found in on_the_way), after])
        metrics["loss_of_steps"] = loss
        for name in objective.of_steps:
            metrics[name] = mean([*(found[name] for found in on_the_way), metrics[name]])
    starts = [(each.theta, each.state) for each in (learner, *earlier)]
    return objective.penalized(loss, starts, task), last._replace(state=state), metrics


def mean(values: list[tf.Tensor]) -> tf.Tensor:
    """Of scalars."""
    return tf.add_n(values) / len(values)


outer_gradient = gradient_of(outer_loss)
