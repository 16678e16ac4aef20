"""The inner loop: one step, and the loop over steps."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import tensorflow as tf

from workers.losses import Theta

Loss = Callable[[Theta, tf.Tensor, tf.Tensor], tf.Tensor]
Moments = list[tf.Tensor]

_BETA2 = 0.999
_EPSILON = 1e-8


class Sgd(NamedTuple):
    """theta - inner_lr * gradient."""

    inner_lr: float | tf.Tensor

    def init(self, theta: Theta) -> Moments:
        """SGD keeps nothing."""
        return []

    def update(
        self, theta: Theta, gradient: Theta, moments: Moments, step: int | tf.Tensor
    ) -> tuple[list[tf.Tensor], Moments]:
        """One step."""
        lr = tf.cast(self.inner_lr, theta[0].dtype)
        return [w + -lr * g for w, g in zip(theta, gradient, strict=True)], moments


class Adam(NamedTuple):
    """Adam with beta1 = 0, as Reptile's inner loop (Nichol et al. 2018, appendix A)."""

    inner_lr: float | tf.Tensor

    def init(self, theta: Theta) -> Moments:
        """Fresh second moments."""
        return [tf.zeros_like(w) for w in theta]

    def update(
        self, theta: Theta, gradient: Theta, moments: Moments, step: int | tf.Tensor
    ) -> tuple[list[tf.Tensor], Moments]:
        """One step; `step` counts from 0."""
        dtype = theta[0].dtype
        beta2 = tf.constant(_BETA2, dtype)
        correction = tf.sqrt(1 - beta2 ** (tf.cast(step, dtype) + 1))
        lr = tf.cast(self.inner_lr, dtype) * correction
        moments = [
            beta2 * m + (1 - beta2) * tf.square(g) for m, g in zip(moments, gradient, strict=True)
        ]
        adapted = [
            w - lr * g / (tf.sqrt(m) + _EPSILON)
            for w, g, m in zip(theta, gradient, moments, strict=True)
        ]
        return adapted, moments


def make_optimizer(kind: Literal["sgd", "adam"], inner_lr: float | tf.Tensor) -> Sgd | Adam:
    """The inner optimizer of that name."""
    return Adam(inner_lr) if kind == "adam" else Sgd(inner_lr)


def inner_step(
    loss: Loss,
    theta: Theta,
    moments: Moments,
    batch: tuple[tf.Tensor, tf.Tensor],
    optimizer: Sgd | Adam,
    step: int | tf.Tensor,
    first_order: bool,
) -> tuple[list[tf.Tensor], Moments, tf.Tensor]:
    """One step; also returns the loss before it.

    first_order: the gradient counts as a constant, so that d(adapted)/d(theta) is the identity.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(theta)
        value = loss(theta, *batch)
    gradient = tape.gradient(value, theta, unconnected_gradients="zero")
    if first_order:
        gradient = [tf.stop_gradient(g) for g in gradient]
    adapted, moments = optimizer.update(theta, gradient, moments, step)
    return adapted, moments, value


def adapt(
    loss: Loss,
    theta: Theta,
    batches: tuple[tf.Tensor, tf.Tensor],
    inner_steps: int,
    optimizer: Sgd | Adam,
    first_order: bool = True,
) -> tuple[list[tf.Tensor], tf.Tensor]:
    """Adapt theta to one task.

    Args:
      batches: inputs and targets [batches, examples, ...]; step i uses batch i modulo batches.
      inner_steps: >= 1, unrolled into the graph.
      first_order: see `inner_step`.
    Returns:
      the adapted weights, and the loss of the first batch at theta.
    """
    num_batches = batches[0].shape[0]
    adapted, moments = list(theta), optimizer.init(theta)
    values = []
    for step in range(inner_steps):
        batch = (batches[0][step % num_batches], batches[1][step % num_batches])
        adapted, moments, value = inner_step(
            loss, adapted, moments, batch, optimizer, step, first_order
        )
        values.append(value)
    return adapted, values[0]


def trajectory(
    loss: Loss,
    theta: Theta,
    batches: tuple[tf.Tensor, tf.Tensor],
    inner_steps: int,
    optimizer: Sgd | Adam,
    observe: Callable[[Theta], dict[str, tf.Tensor]],
) -> dict[str, tf.Tensor]:
    """Adapt, and observe the weights before and after each step: name -> [inner_steps + 1, ...].

    A loop in the graph, so that fifty steps compile as fast as one; no gradient is taken through
    it.
    """
    num_batches = batches[0].shape[0]
    start = observe(theta)
    records = {name: tf.stack([value] * (inner_steps + 1)) for name, value in start.items()}

    def body(step: tf.Tensor, current: Any, moments: Any, records: Any) -> Any:
        batch = (batches[0][step % num_batches], batches[1][step % num_batches])
        current, moments, _ = inner_step(loss, current, moments, batch, optimizer, step, True)
        seen = observe(current)
        # A masked write: neither XLA nor the vectorizer takes a TensorArray here.
        after = tf.range(inner_steps + 1) > step
        records = {
            name: tf.where(tf.reshape(after, [-1] + [1] * seen[name].shape.rank), seen[name], old)
            for name, old in records.items()
        }
        return step + 1, current, moments, records

    _, _, _, records = tf.while_loop(
        lambda step, *_: step < inner_steps,
        body,
        (tf.constant(0), list(theta), optimizer.init(theta), records),
        parallel_iterations=1,
        maximum_iterations=inner_steps,
    )
    return records
