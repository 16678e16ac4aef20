"""Heads on an encoder's vectors: for classes, or for similarities of a text and candidates."""

from typing import Any

import keras

# Length of both vectors of a similarity: a logit is their cosine times the square of it.
_LENGTH = 4.0


def classes(vectors: Any, num_outputs: int) -> Any:
    """Map [batch, units] to logits [batch, num_outputs], all 0 at first."""
    return keras.layers.Dense(num_outputs, kernel_initializer="zeros", name="head")(vectors)


def similarities(vectors: Any) -> Any:
    """Map a text and its candidates [batch, 1 + candidates, units] to logits [batch, candidates].

    They are inner products with the text's vector, mapped by a matrix that starts as the identity.
    """
    ops, units = keras.ops, vectors.shape[-1]
    head = keras.layers.Dense(units, kernel_initializer="identity", use_bias=False, name="head")
    alike = ops.matmul(vectors[:, 1:], ops.swapaxes(head(vectors[:, :1]), 1, 2))
    return ops.squeeze(alike, -1)


def on_encoder(encoder: keras.Model, input_shape: tuple[int, ...], num_outputs: int) -> Any:
    """Put a head on an encoder: for classes, or for a text and its candidates.

    Args:
      encoder: [batch, ...] -> [batch, units].
      input_shape: of an example; with one more axis than the encoder's, it holds a text and its
        candidates.
      num_outputs: number of classes.
    """
    ops = keras.ops
    one = encoder.inputs[0]
    inputs = keras.Input(input_shape, dtype=one.dtype)
    if len(input_shape) < len(one.shape):
        return keras.Model(inputs, classes(encoder(inputs), num_outputs))
    texts = ops.reshape(inputs, (-1, *input_shape[1:]))
    vectors = keras.layers.UnitNormalization(axis=-1)(encoder(texts))
    vectors = keras.layers.Rescaling(_LENGTH)(vectors)
    units = vectors.shape[-1]
    return keras.Model(inputs, similarities(ops.reshape(vectors, (-1, input_shape[0], units))))
