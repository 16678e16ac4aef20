"""The one problem whose answer is known for any number of inner steps.

With support loss 1/2 |theta - a|^2 and query loss 1/2 |theta - b|^2, inner SGD of step size alpha
contracts: theta_k = a + (1 - alpha)^k (theta - a), so d(theta_k)/d(theta) = (1 - alpha)^k.
"""

import numpy as np
import tensorflow as tf
from small_tasks import task

from workers.inner.losses import Objective

SHAPES = [(2, 3), (4,)]
ALPHA = 0.375  # exact in float32, which inner_lr passes through on its way to float64


class Quadratic:
    """The mean over examples x of 1/2 |theta - x|^2 (and half their spread, a constant)."""

    inner_scale = 1.0
    recompute = False
    statistics = "batch"

    def __init__(self):
        self.model = self

    names = layers = ("body", "head")
    is_head = (False, True)
    adapts = (True, True)
    parts = None

    def real(self, targets):
        return None

    def apply(self, theta, state, inputs, real=None):
        return tf.concat([tf.reshape(w, [-1]) for w in theta], axis=0) - inputs, state

    def score(self, outputs, targets):
        loss = tf.reduce_mean(tf.reduce_sum(tf.square(outputs), axis=-1)) / 2
        return loss, {"loss": loss}

    def inner(self, theta, state, inputs, targets):
        return self.score(self.apply(theta, state, inputs)[0], targets)[0], state

    def outer(self, theta, state, one):
        outputs, state = self.apply(theta, state, one.query_inputs)
        return *self.score(outputs, one.query_targets), state

    intermediate_metrics, of_steps = Objective.intermediate_metrics, Objective.of_steps
    penalized = Objective.penalized


def make_problem():
    """Make theta, a task of 3 support and 2 query points, and their means a and b."""
    rng = np.random.default_rng(0)
    theta, support, query = rng.normal(size=10), rng.normal(size=(3, 10)), rng.normal(size=(2, 10))
    targets = np.zeros(1, np.int32)
    return (
        theta,
        task((support, targets), (query, targets)),
        support.mean(axis=0),
        query.mean(axis=0),
    )


def split(flat):
    ends = np.cumsum([np.prod(shape) for shape in SHAPES])[:-1]
    return [
        tf.constant(part.reshape(shape))
        for part, shape in zip(np.split(flat, ends), SHAPES, strict=True)
    ]


def flatten(gradient):
    assert [tuple(g.shape) for g in gradient] == SHAPES
    assert all(g.dtype == tf.float64 for g in gradient)
    return np.concatenate([np.ravel(g) for g in gradient])


def half_square(x, points):
    return np.mean(np.sum((x - points) ** 2, axis=-1)) / 2
