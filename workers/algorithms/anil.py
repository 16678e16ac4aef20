"""ANIL: only the head adapts (Raghu et al. 2020, arXiv:1909.09157)."""

from typing import Any

import tensorflow as tf

from workers.algorithms import maml
from workers.algorithms.algorithm import Start, gradient_of, learn_all, learn_some
from workers.inner.inner_loop import Learner, Plan
from workers.inner.losses import Metrics, Objective, Theta
from workers.models.functional import FunctionalModel
from workers.wire.protocol import Task


def learn(
    model: FunctionalModel, theta: Theta, start: Start, settings: Any, inner_lr: Any
) -> tuple[Learner, Plan]:
    """The weights of the head adapt."""
    return learn_some(model.is_head, theta, start, settings, inner_lr)


def outer_loss(
    objective: Objective, theta: Theta, start: Start, task: Task, settings: Any
) -> tuple[tf.Tensor, Start, Metrics]:
    """MAML's, with an inner loop over the head.

    The features of the support set do not change within it: where the model can be cut in front
    of its head they are computed once.
    """
    parts = objective.model.parts
    if parts is None or objective.statistics == "support":
        return maml.outer_loss(objective, theta, start, task, settings, learn)
    is_head = objective.model.is_head
    of_body = [w for w, head in zip(theta, is_head, strict=True) if not head]
    of_head = [w for w, head in zip(theta, is_head, strict=True) if head]
    support, state = parts.body.apply(of_body, start.state, task.support_inputs)
    queries, state = parts.body.apply(of_body, state, task.query_inputs)
    features = task._replace(support_inputs=support, query_inputs=queries)
    over_head = objective.of(parts.head)
    learner, plan = learn_all(
        parts.head, of_head, start._replace(state=[]), settings, settings.inner_lr
    )
    loss, learner, metrics = maml.adapted_loss(over_head, learner, features, settings, plan)
    return loss, start._replace(state=state, moments=learner.moments), metrics


outer_gradient = gradient_of(outer_loss)
