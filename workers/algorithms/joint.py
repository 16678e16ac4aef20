"""Joint training: no inner loop. The baseline that a few-shot claim is measured against."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from workers.algorithms.algorithm import Start, gradient_of
from workers.inner.inner_loop import Learner, Plan
from workers.inner.losses import Metrics, Objective, Theta
from workers.inner.optimizers import Sgd
from workers.models.functional import FunctionalModel
from workers.settings.algorithms import JointAlgorithm
from workers.wire.protocol import Task


def outer_loss(
    objective: Objective, theta: Theta, start: Start, task: Task, settings: JointAlgorithm
) -> tuple[tf.Tensor, Start, Metrics]:
    """The unadapted loss on all of a task's examples, support and query alike.

    Args:
      theta: list of float [*shape_i]; in classification with a head over all training classes.
      task: its targets are training classes in classification.
    Returns:
      the loss; the rest as `Algorithm` has it: nothing is adapted, so loss_before is loss_after.
    """
    inputs = tf.concat([task.support_inputs, task.query_inputs], axis=0)
    targets = tf.concat([task.support_targets, task.query_targets], axis=0)
    outputs, state = objective.model.apply(theta, start.state, inputs)
    loss, metrics = objective.score(outputs, targets)
    del metrics["loss"]
    metrics = {"loss_before": loss, "loss_after": loss, **metrics}
    loss = objective.penalized(loss, [(theta, start.state)], task)
    return loss, start._replace(state=state), metrics


outer_gradient = gradient_of(outer_loss)


def learn(
    model: FunctionalModel, theta: Theta, start: Start, settings: JointAlgorithm, inner_lr: Any
) -> tuple[Learner, Plan]:
    """A new task is adapted to by SGD on all weights that may adapt."""
    return Learner(list(theta), [], start.state), Plan(Sgd(inner_lr), model.adapts)


def replace_head(
    theta: Sequence[tf.Tensor], is_head: Sequence[bool], shapes: Sequence[tuple[int, ...]]
) -> list[tf.Tensor]:
    """Weights for a model of `shapes`: those of the head zero, theta elsewhere."""
    return [
        tf.zeros(shape, w.dtype) if head else w
        for w, head, shape in zip(theta, is_head, shapes, strict=True)
    ]
