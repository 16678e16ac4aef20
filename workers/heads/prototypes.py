"""The head of prototypes: a class is the mean of its examples' features."""

import tensorflow as tf

from workers.heads.linear_head import LinearHead, members, of_present, without_padding
from workers.losses.padding import is_real


def prototype_head(features: tf.Tensor, targets: tf.Tensor, ways: int) -> LinearHead:
    """Make the linear head whose logits are minus the squared distances to prototypes.

    -|f - c|^2 = 2 f.c - |c|^2 - |f|^2. The last term is the same for all classes and left out: it
    changes neither probabilities nor gradients. So the kernel is 2 c, and the bias -|c|^2.

    Args:
      features: of the support examples, [n, features].
      targets: their classes, int [n]; below 0: padding.
      ways: classes, of which some may have no example.
    Source: Snell et al. 2017, arXiv:1703.05175, equation 8; as the initial weights of a head:
      Triantafillou et al. 2020, arXiv:1903.03096, section 3.
    """
    own = without_padding(features, is_real(targets))
    of_class = members(targets, ways, features.dtype)
    counts = tf.reduce_sum(of_class, axis=0)
    sums = tf.matmul(of_class, own, transpose_a=True)
    means = sums / tf.maximum(counts, 1.0)[:, None]
    bias = -tf.reduce_sum(tf.square(means), axis=-1)
    return LinearHead(2.0 * tf.transpose(means), of_present(bias, counts))
