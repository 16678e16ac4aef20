"""A linear head on features, for as many classes as a task has."""

from typing import NamedTuple

import tensorflow as tf

#: The logit of a class without an example: no query is of it.
ABSENT = -1e9


class LinearHead(NamedTuple):
    """A linear map from features to outputs.

    kernel: [features, outputs].
    bias: [outputs].
    """

    kernel: tf.Tensor
    bias: tf.Tensor

    def outputs(self, features: tf.Tensor) -> tf.Tensor:
        """Map features [n, features] to outputs [n, outputs]."""
        return tf.matmul(features, self.kernel) + self.bias

    def blank(self) -> "LinearHead":
        """Return the head before it has learned from examples: all classes that there are alike."""
        return self.scaled(tf.constant(0.0, self.bias.dtype), tf.constant(0.0, self.bias.dtype))

    def scaled(self, scale: tf.Tensor, shift: tf.Tensor) -> "LinearHead":
        """Return the head with outputs times `scale` plus `shift`; absent classes stay absent."""
        bias = tf.where(self.bias <= ABSENT, self.bias, scale * self.bias + shift)
        return LinearHead(scale * self.kernel, bias)


def members(targets: tf.Tensor, number: int, dtype: tf.DType) -> tf.Tensor:
    """Tell which example is of which class: int [n] -> 0 or 1 [n, number]; padding is of none."""
    return tf.one_hot(targets, number, dtype=dtype)


def without_padding(features: tf.Tensor, is_real: tf.Tensor) -> tf.Tensor:
    """Put 0 in place of the features of padding, whatever they are: [n, features], bool [n]."""
    return tf.where(is_real[:, None], features, tf.zeros_like(features))


def of_present(bias: tf.Tensor, counts: tf.Tensor) -> tf.Tensor:
    """Give classes without an example the logit that no query is of.

    Args:
      bias: [classes].
      counts: examples of each class, [classes].
    """
    return tf.where(counts > 0, bias, tf.constant(ABSENT, bias.dtype))
