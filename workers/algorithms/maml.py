"""MAML and its first-order form."""

import tensorflow as tf

from workers.inner import Sgd, adapt
from workers.losses import Metrics, Objective, Theta
from workers.protocol import Episode
from workers.settings import MamlAlgorithm


def outer_gradient(
    objective: Objective, theta: Theta, episode: Episode, settings: MamlAlgorithm
) -> tuple[list[tf.Tensor], Metrics]:
    """Differentiate the query loss of the adapted weights with respect to theta.

    Args:
      theta: list of float [*shape_i], the initialisation.
      episode: one task: support [batches, examples, ...], query [examples, ...].
      settings: inner_lr > 0, inner_steps >= 1; first_order drops the second derivative.
    Returns:
      list like theta, and scalar metrics: loss_before (the mean support loss at theta), loss_after
      and accuracy (the query at the adapted weights).
    Source: Finn et al. 2017, arXiv:1703.03400, algorithms 1 and 2.
    """
    optimizer = Sgd(settings.inner_lr)
    support = (episode.support_inputs, episode.support_targets)

    def query(adapted: Theta) -> tuple[tf.Tensor, Metrics]:
        return objective.outer(adapted, episode.query_inputs, episode.query_targets)

    if settings.first_order:
        adapted, before = adapt(objective.inner, theta, support, settings.inner_steps, optimizer)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(adapted)
            after, metrics = query(adapted)
        gradient = tape.gradient(after, adapted, unconnected_gradients="zero")
    else:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(theta)
            adapted, before = adapt(
                objective.inner, theta, support, settings.inner_steps, optimizer, first_order=False
            )
            after, metrics = query(adapted)
        gradient = tape.gradient(after, theta, unconnected_gradients="zero")
    del metrics["loss"]
    return gradient, {"loss_before": before / objective.inner_scale, "loss_after": after, **metrics}
