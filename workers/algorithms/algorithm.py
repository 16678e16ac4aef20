"""What an algorithm is to the block runner."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import tensorflow as tf

from workers.inner.inner_loop import Learner, Plan
from workers.inner.losses import Metrics, Objective, Theta
from workers.inner.optimizers import Moments, make_optimizer
from workers.models.functional import FunctionalModel, State
from workers.wire.protocol import Task


class Start(NamedTuple):
    """What all tasks of a step start from, beside theta, and what they leave.

    state: of the model's layers. moments: of the inner optimizer; empty: fresh for every task.
    outer_step: outer steps done.
    """

    state: State
    moments: Moments
    outer_step: Any


Outcome = tuple[list[tf.Tensor], Start, Metrics]
OuterGradient = Callable[[Objective, Theta, Start, Task, Any], Outcome]
OuterLoss = Callable[[Objective, Theta, Start, Task, Any], tuple[tf.Tensor, Start, Metrics]]


class Algorithm(NamedTuple):
    """A row of the table in `registry.py`.

    outer_gradient(objective, theta, start, task, settings) -> the outer gradient (a list like
    theta), what the task leaves for the next step, and scalar metrics: loss_before (the mean
    support loss before adapting), loss_after and others (the queries after it).
    learn(model, theta, start, settings, inner_lr) -> how a task is adapted to, in training and
    in evaluation alike.
    outer_loss: the same as outer_gradient, with the scalar whose gradient that is; None where it
    is no gradient.
    """

    outer_gradient: OuterGradient
    learn: Callable[[FunctionalModel, Theta, Start, Any, Any], tuple[Learner, Plan]]
    outer_loss: OuterLoss | None = None


def gradient_of(outer_loss: OuterLoss) -> OuterGradient:
    """The outer gradient of a task by differentiating its outer loss."""

    def outer_gradient(
        objective: Objective, theta: Theta, start: Start, task: Task, settings: Any
    ) -> Outcome:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            loss, left, metrics = outer_loss(objective, theta, start, task, settings)
        return tape.gradient(loss, theta, unconnected_gradients="zero"), left, metrics

    return outer_gradient


def learn_all(
    model: FunctionalModel, theta: Theta, start: Start, settings: Any, inner_lr: Any
) -> tuple[Learner, Plan]:
    """All weights that may adapt do, at one rate."""
    return learn_some(model.adapts, theta, start, settings, inner_lr)


def learn_some(
    adapts: Sequence[bool], theta: Theta, start: Start, settings: Any, inner_lr: Any
) -> tuple[Learner, Plan]:
    """Some weights adapt, at one rate."""
    optimizer = make_optimizer(settings, inner_lr, start.outer_step)
    chosen = [w for w, adapted in zip(theta, adapts, strict=True) if adapted]
    moments = start.moments or optimizer.init(chosen)
    learner = Learner(list(theta), moments, start.state)
    return learner, Plan(optimizer, adapts, getattr(settings, "first_order", True))
