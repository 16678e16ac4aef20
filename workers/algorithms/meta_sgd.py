"""Meta-SGD: a learned rate for every weight (Li et al. 2017, arXiv:1707.09835)."""

from functools import partial
from typing import Any

from workers.algorithms import maml
from workers.algorithms.algorithm import Start, gradient_of
from workers.inner.inner_loop import Learner, Plan
from workers.inner.losses import Theta
from workers.inner.optimizers import Sgd
from workers.models.functional import FunctionalModel


def learn(
    model: FunctionalModel, theta: Theta, start: Start, settings: Any, inner_lr: Any
) -> tuple[Learner, Plan]:
    """theta is the weights and, in the same order, their rates; `inner_lr` was their start."""
    count = len(model.names)
    weights, rates = list(theta[:count]), list(theta[count:])
    own = [rate for rate, adapts in zip(rates, model.adapts, strict=True) if adapts]
    plan = Plan(Sgd(own), model.adapts, settings.first_order)
    return Learner(weights, [], start.state), plan


outer_loss = partial(maml.outer_loss, learn=learn)
outer_gradient = gradient_of(outer_loss)
