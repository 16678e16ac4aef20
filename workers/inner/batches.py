"""Batches of the inner loop: which support examples each inner step sees."""

import numpy as np

from workers.wire.protocol import Array, Draw


def draw_batches(
    draw: Draw, lo: int, hi: int, num_examples: int, inner_steps: int, batch: int
) -> Array:
    """Shuffle the support set, split it into batches, and shuffle again when it is used up.

    Args:
      num_examples: size of the support set.
      batch: examples per inner step; may straddle two shuffles, and may exceed num_examples.
    Returns:
      int32 [hi - lo, inner_steps, batch], indices into the support set.
    Source: `_mini_batches` of github.com/openai/supervised-reptile.
    """
    epochs = -(-inner_steps * batch // num_examples)
    keys = draw.generator(stream="batches").random((hi, epochs, num_examples))[lo:]
    order = np.argsort(keys, axis=-1, kind="stable").reshape(hi - lo, epochs * num_examples)
    return order[:, : inner_steps * batch].reshape(hi - lo, inner_steps, batch).astype(np.int32)
