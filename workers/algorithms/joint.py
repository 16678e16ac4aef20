"""Joint training: no inner loop. The baseline that a few-shot claim is measured against."""

from collections.abc import Sequence

import tensorflow as tf

from workers.losses import Metrics, Objective, Theta
from workers.protocol import Episode
from workers.settings import JointAlgorithm


def outer_gradient(
    objective: Objective, theta: Theta, episode: Episode, settings: JointAlgorithm
) -> tuple[list[tf.Tensor], Metrics]:
    """Differentiate the unadapted loss on all of a task's examples, support and query alike.

    Args:
      theta: list of float [*shape_i]; in classification with a head over all training classes.
      episode: one task, its targets being training classes in classification.
    Returns:
      list like theta, and scalar metrics; nothing is adapted, so loss_before is loss_after.
    """
    batches, examples = episode.support_inputs.shape[:2]
    inputs = tf.concat([_flatten(episode.support_inputs), episode.query_inputs], axis=0)
    targets = tf.concat([_flatten(episode.support_targets), episode.query_targets], axis=0)
    assert inputs.shape[0] == batches * examples + episode.query_inputs.shape[0]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(theta)
        loss, metrics = objective.outer(theta, inputs, targets)
    gradient = tape.gradient(loss, theta, unconnected_gradients="zero")
    del metrics["loss"]
    return gradient, {"loss_before": loss, "loss_after": loss, **metrics}


def replace_head(
    theta: Theta, names: Sequence[str], shapes: Sequence[tuple[int, ...]]
) -> list[tf.Tensor]:
    """Weights for a model of `names` and `shapes`: the layer `head` zero, theta elsewhere."""
    return [
        tf.zeros(shape, w.dtype) if name.startswith("head/") else w
        for w, name, shape in zip(theta, names, shapes, strict=True)
    ]


def _flatten(batches: tf.Tensor) -> tf.Tensor:
    return tf.reshape(batches, [-1, *batches.shape[2:]])
