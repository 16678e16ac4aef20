"""Losses and metrics as a user writes them, and tasks that they are for."""

import numpy as np
import tensorflow as tf


def huber(outputs, targets):
    """Squared near 0, absolute beyond 1; smooth (pseudo-Huber)."""
    return tf.reduce_mean(tf.sqrt(1 + tf.square(outputs - targets)) - 1)


def quantiles(outputs, targets):
    """The 0.5, 0.1 and 0.9 quantiles, in this order, smoothed."""
    parts = tf.split(outputs, 3, axis=-1)
    losses = []
    for share, part in zip((0.5, 0.1, 0.9), parts, strict=True):
        error = targets - part
        losses.append(share * error + 0.1 * tf.math.softplus(-error / 0.1))
    return tf.reduce_mean(tf.add_n(losses))


def focal(outputs, targets):
    """The focal loss of classes."""
    logs = tf.gather(tf.nn.log_softmax(outputs), targets, batch_dims=1)
    return -tf.reduce_mean(tf.square(1 - tf.exp(logs)) * logs)


def absolute(outputs, targets):
    """The mean absolute error."""
    return tf.reduce_mean(tf.abs(outputs - targets))


def of_a_known_number(outputs, targets):
    """The same, with a number of queries that the shape must hold."""
    return tf.reduce_sum(tf.abs(outputs - targets)) / (outputs.shape[0] * outputs.shape[1])


def r2(outputs, targets):
    """The share of variance that is explained."""
    left = tf.reduce_sum(tf.square(outputs - targets))
    return 1 - left / tf.reduce_sum(tf.square(targets - tf.reduce_mean(targets)))


def labels(rng, split, shots, queries):
    """Two labels: whether x is right of a line, and above another."""
    corner = rng.normal(size=2)

    def some(number):
        x = rng.normal(size=(number, 2))
        return x, (x > corner).astype(int)

    return some(shots), some(queries)


def noisy(rng, split, shots, queries):
    """A line whose noise grows with x."""
    slope = rng.uniform(-2, 2)

    def some(number):
        x = rng.uniform(0, 2, (number, 1))
        return x, slope * x + (0.05 + 0.3 * x) * rng.normal(size=x.shape)

    return some(shots), some(queries)


class Blobs:
    """Points around three centres."""

    def task(self, rng, split, shots, queries):
        centers = 2 * rng.normal(size=(3, 2))

        def some(number):
            y = np.repeat(np.arange(3), number)
            return centers[y] + 0.3 * rng.normal(size=(len(y), 2)), y

        return some(shots), some(queries)


@tf.custom_gradient
def _half(errors):
    """The identity, whose gradient is halved."""
    return tf.identity(errors), lambda upstream: upstream / 2


def halved(outputs, targets):
    """The squared error with a gradient that is not its own."""
    return tf.reduce_mean(tf.square(_half(outputs - targets)))
