"""How much better than usual each step turned out."""

import tensorflow as tf

# A fit to few or equal observations would else be undetermined.
_RIDGE = 1e-5
_LARGEST_OBSERVATION = 10.0
_TIME_SCALE = 100.0
_EPSILON = 1e-8


def advantages(
    observations: tf.Tensor,
    rewards: tf.Tensor,
    taken: tf.Tensor,
    discount: float,
    gae_lambda: float,
    baseline: str,
) -> tf.Tensor:
    """Generalized advantage estimates, normalized over all steps of a task.

    Args:
      observations: [tasks, episodes, horizon, ...], before each step. rewards: [tasks, episodes,
        horizon], after it. taken: likewise, 1; 0 once the episode is over.
      baseline: "linear": fitted to the task's own episodes; "none": 0. What would come after the
        horizon counts as 0.
    Returns:
      float64 [tasks, episodes, horizon], of mean 0 and standard deviation 1 over steps taken; 0
      for others.
    Source: Schulman et al. 2016, arXiv:1506.02438; the baseline of Duan et al. 2016,
    arXiv:1604.06778, section 5.
    """
    rewards, taken = (
        tf.cast(rewards, tf.float64) * tf.cast(taken, tf.float64),
        tf.cast(taken, tf.float64),
    )
    values = tf.zeros_like(rewards)
    if baseline == "linear":
        values = _fitted(_features(observations), _summed_ahead(rewards, discount), taken)
    after = tf.concat([values[..., 1:], tf.zeros_like(values[..., :1])], axis=-1)
    surprise = rewards + discount * after - values
    ahead = _summed_ahead(surprise, discount * gae_lambda)
    return _normalized(ahead, taken)


def _summed_ahead(values: tf.Tensor, discount: float) -> tf.Tensor:
    """Each value and all that follow it, discounted by how far they are."""
    steps = tf.range(values.shape[-1], dtype=tf.float64)
    distance = steps[:, None] - steps[None, :]
    powers = tf.pow(tf.constant(discount, tf.float64), tf.maximum(distance, 0))
    return tf.linalg.matmul(values, tf.where(distance >= 0, powers, tf.zeros_like(powers)))


def _features(observations: tf.Tensor) -> tf.Tensor:
    """[tasks, episodes, horizon, features]: the observation, its square, time to the third, 1."""
    shape = observations.shape
    flat = tf.reshape(tf.cast(observations, tf.float64), [*shape[:3], -1])
    seen = tf.clip_by_value(flat, -_LARGEST_OBSERVATION, _LARGEST_OBSERVATION)
    time = tf.range(shape[2], dtype=tf.float64)[:, None] / _TIME_SCALE
    of_time = tf.concat([time, time**2, time**3, tf.ones_like(time)], axis=-1)
    of_time = tf.broadcast_to(of_time, [*shape[:3], 4])
    return tf.concat([seen, seen**2, of_time], axis=-1)


def _fitted(features: tf.Tensor, targets: tf.Tensor, taken: tf.Tensor) -> tf.Tensor:
    """The targets as a linear function of the features, by least squares for each task."""
    tasks, number = features.shape[0], features.shape[-1]
    rows = tf.reshape(features * taken[..., None], [tasks, -1, number])
    wanted = tf.reshape(targets * taken, [tasks, -1, 1])
    square = tf.matmul(rows, rows, transpose_a=True) + _RIDGE * tf.eye(number, dtype=tf.float64)
    right = tf.matmul(rows, wanted, transpose_a=True)
    weights = tf.linalg.cholesky_solve(tf.linalg.cholesky(square), right)
    return tf.reshape(tf.matmul(rows, weights), taken.shape)


def _normalized(values: tf.Tensor, taken: tf.Tensor) -> tf.Tensor:
    number = tf.reduce_sum(taken, axis=[1, 2], keepdims=True)
    mean = tf.reduce_sum(values * taken, axis=[1, 2], keepdims=True) / number
    centred = (values - mean) * taken
    variance = tf.reduce_sum(tf.square(centred), axis=[1, 2], keepdims=True) / number
    return centred / (tf.sqrt(variance) + _EPSILON)
