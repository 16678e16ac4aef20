"""The head of ridge regression, in closed form."""

import tensorflow as tf

from workers.heads.linear_head import LinearHead, members, of_present, without_padding
from workers.losses.padding import is_real


def ridge_classes(
    features: tf.Tensor, targets: tf.Tensor, ways: int, penalty: tf.Tensor
) -> LinearHead:
    """Regress one-hot classes on features; see `solve`.

    Each class counts as much as any other, however many examples it has: an example's weight is
    n / (classes * examples of its class). With equal shots all weights are 1, as in the paper.

    Args:
      features: [n, features].
      targets: int [n]; below 0: padding.
      ways: classes, of which some may have no example.
      penalty: scalar, > 0.
    Source: Bertinetto et al. 2019, arXiv:1805.08136, section 3.1.
    """
    of_class = members(targets, ways, features.dtype)
    counts = tf.reduce_sum(of_class, axis=0)
    present = tf.reduce_sum(tf.cast(counts > 0, features.dtype))
    shares = tf.reduce_sum(counts) / (present * tf.maximum(counts, 1.0))
    weights = tf.linalg.matvec(of_class, shares)
    own = without_padding(features, is_real(targets))
    kernel = solve(own, of_class, weights, penalty)
    return LinearHead(kernel, of_present(tf.zeros_like(counts), counts))


def ridge_numbers(features: tf.Tensor, targets: tf.Tensor, penalty: tf.Tensor) -> LinearHead:
    """Regress numbers on features, with an intercept that is not penalized; see `solve`.

    Args:
      features: [n, features].
      targets: [n, numbers]; NaN: padding.
      penalty: scalar, > 0.
    """
    real = is_real(targets)
    weights = tf.cast(real, features.dtype)
    number = tf.reduce_sum(weights)
    features, targets = (
        without_padding(tf.cast(values, features.dtype), real) for values in (features, targets)
    )
    center, mean = (tf.reduce_sum(values, axis=0) / number for values in (features, targets))
    kernel = solve(features - center, targets - mean, weights, penalty)
    return LinearHead(kernel, mean - tf.linalg.matvec(kernel, center, transpose_a=True))


def solve(
    features: tf.Tensor, targets: tf.Tensor, weights: tf.Tensor, penalty: tf.Tensor
) -> tf.Tensor:
    """Minimize the weighted squared error, plus penalty * |kernel|^2, over the kernel.

    The smaller of two systems is solved, of as many equations as examples or as features. It is
    computed in float64, since a small penalty leaves it ill-conditioned.

    Args:
      features: [n, features]. targets: [n, outputs].
      weights: of the examples, >= 0, [n].
      penalty: scalar, > 0.
    Returns:
      the kernel, [features, outputs], of the features' type.
    Source: Bertinetto et al. 2019, arXiv:1805.08136, equations 4 and 6.
    """
    roots = tf.sqrt(tf.cast(weights, tf.float64))[:, None]
    x, y = (roots * tf.cast(values, tf.float64) for values in (features, targets))
    number, width = x.shape
    ridge = tf.cast(penalty, tf.float64)
    if number <= width:
        gram = tf.matmul(x, x, transpose_b=True) + ridge * tf.eye(number, dtype=tf.float64)
        kernel = tf.matmul(x, tf.linalg.solve(gram, y), transpose_a=True)
    else:
        gram = tf.matmul(x, x, transpose_a=True) + ridge * tf.eye(width, dtype=tf.float64)
        kernel = tf.linalg.solve(gram, tf.matmul(x, y, transpose_a=True))
    return tf.cast(kernel, features.dtype)
