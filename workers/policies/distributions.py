"""What a policy's outputs say of its actions."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.metrics import LossName
from workers.tasks.family import TaskFamily

# A policy that is surer than this cannot be learned from: its densities overflow.
_SMALLEST_LOG_STD = float(np.log(1e-6))
_LOG_TWO_PI = float(np.log(2 * np.pi))


class Distribution(Protocol):
    """Over actions, given outputs [..., num_outputs]. num_actions: numbers that say an action."""

    num_outputs: int
    num_actions: int

    def noise(self, rng: np.random.Generator, shape: Sequence[int]) -> NDArray[np.float32]:
        """All that is random in so many actions, [*shape, numbers]."""

    def act(self, outputs: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Actions [..., num_actions]: a function of the noise."""

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """Of actions, [...]; nats."""

    def divergence(self, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        """Kullback and Leibler's, of the outputs `new` from `old`, [...]; nats."""


class Gaussian:
    """Independent Gaussians: outputs are means, then logarithms of standard deviations."""

    def __init__(self, num_outputs: int):
        self.num_outputs, self.num_actions = num_outputs, num_outputs // 2

    def noise(self, rng: np.random.Generator, shape: Sequence[int]) -> NDArray[np.float32]:
        """Standard normal."""
        return rng.standard_normal((*shape, self.num_actions), np.float32)

    def act(self, outputs: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """See `Distribution.act`."""
        mean, log_std = _split(outputs)
        return mean + tf.exp(log_std) * noise

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """See `Distribution.log_prob`."""
        mean, log_std = _split(outputs)
        scaled = (actions - mean) * tf.exp(-log_std)
        return -tf.reduce_sum(0.5 * tf.square(scaled) + log_std + 0.5 * _LOG_TWO_PI, axis=-1)

    def divergence(self, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        """See `Distribution.divergence`."""
        old_mean, old_log_std = _split(old)
        mean, log_std = _split(new)
        ratio = tf.exp(2 * (old_log_std - log_std))
        moved = tf.square((old_mean - mean) * tf.exp(-log_std))
        return tf.reduce_sum(log_std - old_log_std + 0.5 * (ratio + moved - 1), axis=-1)


class Categorical:
    """One of a few actions: outputs are logits; an action is its index, as a float."""

    num_actions = 1

    def __init__(self, num_outputs: int):
        self.num_outputs = num_outputs

    def noise(self, rng: np.random.Generator, shape: Sequence[int]) -> NDArray[np.float32]:
        """Gumbel's: the largest of logits and noise is distributed as the logits say."""
        return rng.gumbel(size=(*shape, self.num_outputs)).astype(np.float32)

    def act(self, outputs: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """See `Distribution.act`."""
        return tf.cast(tf.argmax(outputs + noise, axis=-1), outputs.dtype)[..., None]

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """See `Distribution.log_prob`."""
        index = tf.cast(actions[..., 0], tf.int32)
        chosen = tf.one_hot(index, self.num_outputs, dtype=outputs.dtype)
        return tf.reduce_sum(chosen * tf.nn.log_softmax(outputs), axis=-1)

    def divergence(self, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        """See `Distribution.divergence`."""
        before, after = tf.nn.log_softmax(old), tf.nn.log_softmax(new)
        return tf.reduce_sum(tf.exp(before) * (before - after), axis=-1)


_DISTRIBUTIONS: dict[LossName, type[Gaussian] | type[Categorical]] = {
    "gaussian_policy": Gaussian,
    "categorical_policy": Categorical,
}


def distribution_of(family: TaskFamily) -> Distribution:
    """Over the actions of the family's environments."""
    return _DISTRIBUTIONS[family.loss](family.num_outputs)


def _split(outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    mean, log_std = tf.split(outputs, 2, axis=-1)
    return mean, tf.maximum(log_std, tf.constant(_SMALLEST_LOG_STD, log_std.dtype))
