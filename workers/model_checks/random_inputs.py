"""Random inputs to test a model with."""

import numpy as np
import tensorflow as tf


def random_inputs(
    input_shape: tuple[int, ...], num_tokens: int | None, number: int, seed: int = 0
) -> tf.Tensor:
    """Draw normal float32 [number, *input_shape], or int32 ids if there are tokens."""
    rng = np.random.default_rng(seed)
    shape = (number, *input_shape)
    if num_tokens is not None:
        return tf.constant(rng.integers(num_tokens, size=shape), tf.int32)
    return tf.constant(rng.normal(size=shape), tf.float32)
