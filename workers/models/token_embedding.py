"""Layers of tokens that save the work for places without a token, or for tokens that are absent."""

from typing import Any

import keras
import tensorflow as tf


class TokenEmbedding(keras.layers.Embedding):
    """Keras' Embedding, for ids of which 0 is no token and its vector has no effect.

    The derivative of the table leaves out the places of id 0, where it must be zero anyway. In
    CLINC150 these are two in five, and TensorFlow takes as long to add zeros as any other row.

    derivative_leaves_out: tells the check of derivatives that by itself the layer does have one
      there, which no model uses.
    """

    derivative_leaves_out = True

    def call(self, inputs: Any) -> Any:
        """Map ids int [...] to vectors [..., output_dim]."""
        ids = tf.convert_to_tensor(inputs)

        @tf.custom_gradient
        def lookup(table: tf.Tensor) -> tuple[tf.Tensor, Any]:
            def gradient(of_vectors: tf.Tensor) -> tf.Tensor:
                rows = tf.where(ids == 0, -1, ids)  # the sum leaves out negative ones
                return tf.math.unsorted_segment_sum(of_vectors, rows, self.input_dim)

            return tf.gather(table, ids), gradient

        return lookup(tf.convert_to_tensor(self.embeddings))


class TokenBag(keras.layers.Layer):
    """Adds up the weights of each token of a text: a vector with a number for each token there is.

    num_tokens: tokens that there are.
    """

    def __init__(self, num_tokens: int, **options: Any):
        super().__init__(**options)
        self.num_tokens = num_tokens

    def call(self, inputs: Any, count_weights: Any) -> Any:
        """Map ids int [n, length] and their weights, of that shape, to [n, num_tokens].

        The names are those of Keras' CategoryEncoding, which does the same without a derivative.
        """
        ids, weights = tf.convert_to_tensor(inputs), tf.convert_to_tensor(count_weights)
        number = tf.shape(ids)[0]
        places = ids + self.num_tokens * tf.range(number)[:, None]
        flat = (tf.reshape(values, [-1]) for values in (weights, places))
        sums = tf.math.unsorted_segment_sum(*flat, number * self.num_tokens)
        return tf.reshape(sums, [-1, self.num_tokens])

    def compute_output_shape(self, inputs_shape: Any, count_weights_shape: Any) -> tuple[Any, int]:
        """See `keras.layers.Layer`."""
        return inputs_shape[0], self.num_tokens
