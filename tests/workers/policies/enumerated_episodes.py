"""Episodes of two steps of two actions: there are four, so expectations are sums.

An episode stands for its probability by advantages that are multiplied with it. What an action is
worth depends on the one before, so that a step owes something to what came before it.
"""

import itertools

import numpy as np
import tensorflow as tf

from workers.policies.trajectory import Trajectory

EPISODES = np.array(list(itertools.product([0, 1], repeat=2)))
# What is seen: at first a 1, then which action was taken.
SEEN = np.array([[[1.0, 0, 0], [0, 1 - a, a]] for a, _ in EPISODES])
REWARDS = np.array([[0.3, 2.0], [0.3, -1.0], [-0.5, 0.7], [-0.5, 3.0]])


def logits_of(theta):
    """Compute the logits of a linear policy, [8, 2]; theta: NumPy arrays or tensors."""
    return tf.linalg.matmul(tf.constant(SEEN.reshape(8, 3)), theta[0]) + theta[1]


def log_probs(logits):
    """Compute the log-probability of each action in each episode, [4, 2]."""
    chosen = tf.one_hot(EPISODES.reshape(-1), 2, dtype=tf.float64)
    return tf.reshape(tf.reduce_sum(chosen * tf.nn.log_softmax(logits), -1), (4, 2))


def expected_loss(theta):
    """Compute minus the expected return per step."""
    probabilities = tf.exp(tf.reduce_sum(log_probs(logits_of(theta)), axis=1))
    return -tf.reduce_sum(probabilities * REWARDS.sum(1)) / 2


def adapted(theta, inner_lr, inner_steps):
    theta = [tf.constant(w) for w in theta]
    for _ in range(inner_steps):
        with tf.GradientTape() as tape:
            tape.watch(theta)
            loss = expected_loss(theta)
        theta = [w - inner_lr * g for w, g in zip(theta, tape.gradient(loss, theta), strict=True)]
    return theta


def episodes_of(theta, baseline=(0.0, 0.0)):
    """Make all four episodes, weighted by their probability under a linear policy."""
    return episodes_with(logits_of(theta), baseline)


def episodes_with(logits, baseline=(0.0, 0.0)):
    """Make the episodes as `episodes_of` does, from any policy's logits, [8, 2]."""
    probabilities = np.exp(log_probs(logits).numpy().sum(1))
    ahead = np.stack([REWARDS.sum(1), REWARDS[:, 1]], axis=1) - np.array(baseline)
    trajectory = Trajectory(
        actions=EPISODES[..., None].astype(float),
        rewards=REWARDS,
        advantages=4 * probabilities[:, None] * ahead,
        mask=np.ones((4, 2)),
        outputs=logits.numpy().reshape(4, 2, 2),
    )
    columns = [
        trajectory.actions,
        *(scalar[..., None] for scalar in trajectory[1:4]),
        trajectory.outputs,
    ]
    return SEEN.reshape(8, 3), np.concatenate(columns, axis=-1).reshape(8, 6)
