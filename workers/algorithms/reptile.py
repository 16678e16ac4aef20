"""Reptile."""

from workers.algorithms.algorithm import Outcome, Start, learn_all
from workers.inner.inner_loop import adapt
from workers.inner.losses import Objective, Theta
from workers.settings.algorithms import ReptileAlgorithm
from workers.wire.protocol import Task


def outer_gradient(
    objective: Objective, theta: Theta, start: Start, task: Task, settings: ReptileAlgorithm
) -> Outcome:
    """Pull theta toward the weights adapted to one task.

    Args:
      theta: list of float [*shape_i], the initialisation.
      task: its queries are for metrics only.
      settings: inner_lr > 0, inner_steps >= 1, inner_optimizer.
    Returns:
      see `Algorithm`. The gradient is theta - adapted: SGD with outer lr = e then moves theta by
      e * (mean adapted - theta).
    Source: Nichol et al. 2018, arXiv:1803.02999, algorithm 1.
    """
    learner, plan = learn_all(objective.model, theta, start, settings, settings.inner_lr)
    learners, before = adapt(
        objective.inner, learner, task, settings.inner_steps, plan, settings.later_lr
    )
    learner = learners[-1]
    gradient = [w - a for w, a in zip(theta, learner.theta, strict=True)]
    after, metrics, _ = objective.outer(learner.theta, learner.state, task)
    del metrics["loss"]
    metrics = {"loss_before": before / objective.inner_scale, "loss_after": after, **metrics}
    return gradient, start._replace(state=learner.state, moments=learner.moments), metrics
