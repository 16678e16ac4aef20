"""Reptile."""

import tensorflow as tf

from workers.inner import adapt, make_optimizer
from workers.losses import Metrics, Objective, Theta
from workers.protocol import Episode
from workers.settings import ReptileAlgorithm


def outer_gradient(
    objective: Objective, theta: Theta, episode: Episode, settings: ReptileAlgorithm
) -> tuple[list[tf.Tensor], Metrics]:
    """Pull theta toward the weights adapted to one task.

    Args:
      theta: list of float [*shape_i], the initialisation.
      episode: one task: support [batches, examples, ...], query [examples, ...] (for metrics).
      settings: inner_lr > 0, inner_steps >= 1, inner_optimizer.
    Returns:
      list like theta: theta - adapted. SGD with outer lr = e then moves theta by
      e * (mean adapted - theta). And scalar metrics, as MAML's.
    Source: Nichol et al. 2018, arXiv:1803.02999, algorithm 1.
    """
    optimizer = make_optimizer(settings.inner_optimizer, settings.inner_lr)
    support = (episode.support_inputs, episode.support_targets)
    adapted, before = adapt(objective.inner, theta, support, settings.inner_steps, optimizer)
    gradient = [w - a for w, a in zip(theta, adapted, strict=True)]
    after, metrics = objective.outer(adapted, episode.query_inputs, episode.query_targets)
    del metrics["loss"]
    return gradient, {"loss_before": before / objective.inner_scale, "loss_after": after, **metrics}
