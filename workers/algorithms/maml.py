"""MAML and its first-order form; its relatives differ in how a task is adapted to."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from workers.algorithms.algorithm import Start, gradient_of, learn_all
from workers.inner import Learner, Plan, adapt
from workers.losses import Metrics, Objective, Theta
from workers.models.functional import FunctionalModel
from workers.protocol import Task

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
      settings: inner_lr > 0, inner_steps >= 1; first_order drops the second derivative.
      learn: how the task is adapted to; see `Algorithm`.
    Returns:
      the loss; the rest as `Algorithm` has it.
    Source: Finn et al. 2017, arXiv:1703.03400, algorithms 1 and 2.
    """
    learner, plan = learn(objective.model, theta, start, settings, settings.inner_lr)
    learner, before = adapt(objective.inner, learner, task, settings.inner_steps, plan)
    after, metrics, state = objective.outer(learner.theta, learner.state, task)
    del metrics["loss"]
    metrics = {"loss_before": before / objective.inner_scale, "loss_after": after, **metrics}
    return after, start._replace(state=state, moments=learner.moments), metrics


outer_gradient = gradient_of(outer_loss)
