"""BOIL: the body adapts, the head does not (Oh et al. 2021, arXiv:2008.08882)."""

from functools import partial
from typing import Any

from workers.algorithms import maml
from workers.algorithms.algorithm import Start, gradient_of, learn_some
from workers.inner.inner_loop import Learner, Plan
from workers.inner.losses import Theta
from workers.models.functional import FunctionalModel


def learn(
    model: FunctionalModel, theta: Theta, start: Start, settings: Any, inner_lr: Any
) -> tuple[Learner, Plan]:
    """All weights but those of the head adapt."""
    return learn_some([not head for head in model.is_head], theta, start, settings, inner_lr)


outer_loss = partial(maml.outer_loss, learn=learn)
outer_gradient = gradient_of(outer_loss)
