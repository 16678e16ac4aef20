"""Distributions over actions, with a policy's outputs as their parameters."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from workers.losses.registry import loss_of
from workers.settings.registry import named
from workers.tasks.family import TaskFamily
from workers.wire.protocol import Array

# A policy with a smaller deviation cannot be learned from: its densities overflow.
_SMALLEST_LOG_STD = float(np.log(1e-6))
_LOG_TWO_PI = float(np.log(2 * np.pi))


class Distribution(Protocol):
    """A distribution over actions, given a policy's outputs.

    num_outputs: numbers in the outputs of one observation.
    num_actions: numbers in one action.
    num_features: numbers by which a recurrent policy knows an action.
    """

    num_outputs: int
    num_actions: int
    num_features: int

    def noise(self, rng: np.random.Generator, shape: Sequence[int]) -> NDArray[np.float32]:
        """Draw all that is random in actions of this shape, [*shape, numbers]."""

    def act(self, outputs: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """Compute actions [..., num_actions] from outputs [..., num_outputs] and noise."""

    def features(self, actions: Array) -> Array:
        """Return by which numbers a recurrent policy knows actions, [..., num_features]."""

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """Compute the log-probability of actions, [...]; nats."""

    def kl(self, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        """Compute the KL divergence of the outputs `new` from `old`, [...]; nats."""


class Gaussian:
    """Independent Gaussians. The outputs are means, then logarithms of standard deviations."""

    def __init__(self, num_outputs: int):
        self.num_outputs, self.num_actions = num_outputs, num_outputs // 2
        self.num_features = self.num_actions

    def noise(self, rng: np.random.Generator, shape: Sequence[int]) -> NDArray[np.float32]:
        """Draw standard normal noise."""
        return rng.standard_normal((*shape, self.num_actions), np.float32)

    def act(self, outputs: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """See `Distribution.act`."""
        mean, log_std = _split(outputs)
        return mean + tf.exp(log_std) * noise

    def features(self, actions: Array) -> Array:
        """Return the actions themselves."""
        return actions

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """See `Distribution.log_prob`."""
        mean, log_std = _split(outputs)
        scaled = (actions - mean) * tf.exp(-log_std)
        return -tf.reduce_sum(0.5 * tf.square(scaled) + log_std + 0.5 * _LOG_TWO_PI, axis=-1)

    def kl(self, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        """See `Distribution.kl`."""
        old_mean, old_log_std = _split(old)
        mean, log_std = _split(new)
        ratio = tf.exp(2 * (old_log_std - log_std))
        moved = tf.square((old_mean - mean) * tf.exp(-log_std))
        return tf.reduce_sum(log_std - old_log_std + 0.5 * (ratio + moved - 1), axis=-1)


class Categorical:
    """A choice among a few actions. The outputs are logits; an action is its index, as a float."""

    num_actions = 1

    def __init__(self, num_outputs: int):
        self.num_outputs = self.num_features = num_outputs

    def noise(self, rng: np.random.Generator, shape: Sequence[int]) -> NDArray[np.float32]:
        """Draw Gumbel noise: the argmax of logits plus noise has the softmax distribution."""
        return rng.gumbel(size=(*shape, self.num_outputs)).astype(np.float32)

    def act(self, outputs: tf.Tensor, noise: tf.Tensor) -> tf.Tensor:
        """See `Distribution.act`."""
        return tf.cast(tf.argmax(outputs + noise, axis=-1), outputs.dtype)[..., None]

    def features(self, actions: Array) -> Array:
        """Return 1 at the place of the action, 0 elsewhere."""
        chosen: Array = np.asarray(actions == np.arange(self.num_outputs), np.float32)
        return chosen

    def log_prob(self, outputs: tf.Tensor, actions: tf.Tensor) -> tf.Tensor:
        """See `Distribution.log_prob`."""
        index = tf.cast(actions[..., 0], tf.int32)
        chosen = tf.one_hot(index, self.num_outputs, dtype=outputs.dtype)
        return tf.reduce_sum(chosen * tf.nn.log_softmax(outputs), axis=-1)

    def kl(self, old: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
        """See `Distribution.kl`."""
        before, after = tf.nn.log_softmax(old), tf.nn.log_softmax(new)
        return tf.reduce_sum(tf.exp(before) * (before - after), axis=-1)


def distribution_of(family: TaskFamily) -> Distribution:
    """Make the distribution over the actions of the family's environments."""
    made: Distribution = named(loss_of(family).distribution)(family.num_outputs)
    return made


def _split(outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    mean, log_std = tf.split(outputs, 2, axis=-1)
    return mean, tf.maximum(log_std, tf.constant(_SMALLEST_LOG_STD, log_std.dtype))
