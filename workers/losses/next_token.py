"""The cross-entropy of next tokens."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from workers.losses.loss import Loss

if TYPE_CHECKING:
    import tensorflow as tf

    from workers.losses.loss import Measure


class NextToken(Loss):
    """The cross-entropy of the next token at each place of a text."""

    name = "next_token"
    title = "cross-entropy in nats per token"
    targets = "tokens"
    scored_by = ("bits_per_character", "loss")
    outputs_are = "logits"
    refuses = "softmax"

    def mean(self, outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
        """See `Loss.mean`."""
        return next_token(outputs, targets)

    def measures(self) -> Mapping[str, Measure]:
        """See `Loss.measures`."""
        return {"bits_per_character": lambda outputs, targets, loss: loss / math.log(2)}

    def _chance(self, num_outputs: int, of_task: float | None) -> float | None:
        return math.log2(num_outputs)


def next_token(outputs: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Compute the mean cross-entropy over all tokens of all texts; nats.

    Args:
      outputs: logits [n, length, tokens].
      targets: int [n, length]; below 0: no token.
    """
    import tensorflow as tf

    is_token = targets >= 0
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.maximum(targets, 0), outputs)
    weights = tf.cast(is_token, losses.dtype)
    return tf.reduce_sum(losses * weights) / tf.maximum(tf.reduce_sum(weights), 1.0)
