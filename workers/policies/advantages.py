"""Advantages: how much better than expected each step turned out."""

import tensorflow as tf

# Without it, a fit to few or equal observations would be undetermined.
_RIDGE = 1e-5
_LARGEST_OBSERVATION = 10.0
_TIME_SCALE = 100.0
_EPSILON = 1e-8
# Steps that are summed by one matrix [steps, steps], of 8 MB. Bits depend on it and on the number
# of steps, and on nothing else.
_TOGETHER = 1024


def advantages(
    observations: tf.Tensor,
    rewards: tf.Tensor,
    mask: tf.Tensor,
    discount: float,
    gae_lambda: float,
    baseline: str,
) -> tf.Tensor:
    """Estimate generalized advantages, normalized over all steps of a task.

    Args:
      observations: [tasks, episodes, horizon, ...], before each step.
      rewards: [tasks, episodes, horizon], after each step.
      mask: likewise, 1 for a step of the episode, 0 after its end.
      discount: per step, 0 to 1.
      gae_lambda: 0 to 1.
      baseline: "linear": fitted to the task's own episodes; "none": 0. The value after the horizon
        counts as 0.
    Returns:
      float64 [tasks, episodes, horizon], of mean 0 and standard deviation 1 over the steps of the
      mask, 0 elsewhere.
    Source: Schulman et al. 2016, arXiv:1506.02438; the baseline of Duan et al. 2016,
    arXiv:1604.06778, section 5.
    """
    rewards, mask = (
        tf.cast(rewards, tf.float64) * tf.cast(mask, tf.float64),
        tf.cast(mask, tf.float64),
    )
    values = tf.zeros_like(rewards)
    if baseline == "linear":
        values = _fitted(_features(observations), _summed_ahead(rewards, discount), mask)
    after = tf.concat([values[..., 1:], tf.zeros_like(values[..., :1])], axis=-1)
    surprise = rewards + discount * after - values
    return _normalized(_summed_ahead(surprise, discount * gae_lambda), mask)


def _summed_ahead(values: tf.Tensor, discount: float) -> tf.Tensor:
    """Sum each value and all that follow it, discounted by their distance in steps.

    `_TOGETHER` steps at a time, the last ones first: memory grows with the steps, not their square.
    """
    parts: list[tf.Tensor] = []
    for lo in reversed(range(0, values.shape[-1], _TOGETHER)):
        summed = _summed_together(values[..., lo : lo + _TOGETHER], discount)
        if parts:  # all that follow these steps
            distance = tf.range(_TOGETHER, 0, -1, dtype=tf.float64)
            powers = tf.pow(tf.constant(discount, tf.float64), distance)
            summed += powers * parts[0][..., :1]
        parts.insert(0, summed)
    return parts[0] if len(parts) == 1 else tf.concat(parts, axis=-1)


def _summed_together(values: tf.Tensor, discount: float) -> tf.Tensor:
    """Sum as `_summed_ahead`, by one matrix."""
    steps = tf.range(values.shape[-1], dtype=tf.float64)
    distance = steps[:, None] - steps[None, :]
    powers = tf.pow(tf.constant(discount, tf.float64), tf.maximum(distance, 0))
    return tf.linalg.matmul(values, tf.where(distance >= 0, powers, tf.zeros_like(powers)))


def _features(observations: tf.Tensor) -> tf.Tensor:
    """Compute clipped observations, their squares, and t, t^2, t^3 and 1: [..., features]."""
    shape = observations.shape
    flat = tf.reshape(tf.cast(observations, tf.float64), [*shape[:3], -1])
    clipped = tf.clip_by_value(flat, -_LARGEST_OBSERVATION, _LARGEST_OBSERVATION)
    time = tf.range(shape[2], dtype=tf.float64)[:, None] / _TIME_SCALE
    of_time = tf.concat([time, time**2, time**3, tf.ones_like(time)], axis=-1)
    of_time = tf.broadcast_to(of_time, [*shape[:3], 4])
    return tf.concat([clipped, clipped**2, of_time], axis=-1)


def _fitted(features: tf.Tensor, targets: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """Fit the targets as a linear function of the features, by least squares for each task."""
    tasks, number = features.shape[0], features.shape[-1]
    rows = tf.reshape(features * mask[..., None], [tasks, -1, number])
    masked = tf.reshape(targets * mask, [tasks, -1, 1])
    square = tf.matmul(rows, rows, transpose_a=True) + _RIDGE * tf.eye(number, dtype=tf.float64)
    right = tf.matmul(rows, masked, transpose_a=True)
    weights = tf.linalg.cholesky_solve(tf.linalg.cholesky(square), right)
    return tf.reshape(tf.matmul(rows, weights), mask.shape)


def _normalized(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    number = tf.reduce_sum(mask, axis=[1, 2], keepdims=True)
    mean = tf.reduce_sum(values * mask, axis=[1, 2], keepdims=True) / number
    centred = (values - mean) * mask
    variance = tf.reduce_sum(tf.square(centred), axis=[1, 2], keepdims=True) / number
    return centred / (tf.sqrt(variance) + _EPSILON)
