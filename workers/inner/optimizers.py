"""The inner loop's optimizers: pure, differentiable, over lists of weights.

Keras' optimizers are stateful, and raise in `stateless_apply` on TensorFlow.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import tensorflow as tf

Moments = list[tf.Tensor]

_BETA2 = 0.999
_EPSILON = 1e-8


class InnerOptimizer(Protocol):
    """An update rule. Its `moments` persist from step to step: a list like the weights."""

    def init(self, weights: Sequence[tf.Tensor]) -> Moments:
        """Make fresh moments."""

    def update(
        self,
        weights: Sequence[tf.Tensor],
        gradient: Sequence[tf.Tensor],
        moments: Moments,
        step: Any,
    ) -> tuple[list[tf.Tensor], Moments]:
        """Take the `step`-th step, from 0; return the new weights and moments."""


class Sgd(NamedTuple):
    """Gradient descent: w - rate * gradient.

    rates: one rate for all weights, or a list like them.
    """

    rates: Any

    def init(self, weights: Sequence[tf.Tensor]) -> Moments:
        """Return no moments: SGD has none."""
        return []

    def update(
        self,
        weights: Sequence[tf.Tensor],
        gradient: Sequence[tf.Tensor],
        moments: Moments,
        step: Any,
    ) -> tuple[list[tf.Tensor], Moments]:
        """See `InnerOptimizer.update`."""
        rates = _for_each(self.rates, weights)
        return [w + -r * g for w, g, r in zip(weights, gradient, rates, strict=True)], moments


class Momentum(NamedTuple):
    """Gradient descent with momentum: v = coefficient * v + gradient; w - rate * v."""

    rates: Any
    coefficient: float

    def init(self, weights: Sequence[tf.Tensor]) -> Moments:
        """Make velocities of 0."""
        return [tf.zeros_like(w) for w in weights]

    def update(
        self,
        weights: Sequence[tf.Tensor],
        gradient: Sequence[tf.Tensor],
        moments: Moments,
        step: Any,
    ) -> tuple[list[tf.Tensor], Moments]:
        """See `InnerOptimizer.update`."""
        rates = _for_each(self.rates, weights)
        moments = [
            tf.constant(self.coefficient, v.dtype) * v + g
            for v, g in zip(moments, gradient, strict=True)
        ]
        return [w + -r * v for w, v, r in zip(weights, moments, rates, strict=True)], moments


class Adam(NamedTuple):
    """Adam with beta1 = 0, as in Reptile's inner loop (Nichol et al. 2018, appendix A).

    steps_before: steps that persistent moments have seen, for the bias correction.
    """

    rates: Any
    steps_before: Any = 0

    def init(self, weights: Sequence[tf.Tensor]) -> Moments:
        """Make second moments of 0."""
        return [tf.zeros_like(w) for w in weights]

    def update(
        self,
        weights: Sequence[tf.Tensor],
        gradient: Sequence[tf.Tensor],
        moments: Moments,
        step: Any,
    ) -> tuple[list[tf.Tensor], Moments]:
        """See `InnerOptimizer.update`."""
        dtype = weights[0].dtype
        beta2 = tf.constant(_BETA2, dtype)
        correction = tf.sqrt(1 - beta2 ** tf.cast(self.steps_before + step + 1, dtype))
        moments = [
            beta2 * m + (1 - beta2) * tf.square(g) for m, g in zip(moments, gradient, strict=True)
        ]
        rates = _for_each(self.rates, weights)
        updated = [
            w - r * correction * g / (tf.sqrt(m) + _EPSILON)
            for w, g, m, r in zip(weights, gradient, moments, rates, strict=True)
        ]
        return updated, moments


class RatesOfSteps(NamedTuple):
    """Another optimizer, with rates of its own for each inner step.

    optimizer: without rates.
    rates: a list like the weights, [steps] each; later steps have the last rate.
    """

    optimizer: Any
    rates: list[tf.Tensor]

    @classmethod
    def of(cls, optimizer: Any, rates: Sequence[tf.Tensor]) -> "RatesOfSteps":
        """Replace the rates of an optimizer."""
        return cls(optimizer._replace(rates=()), list(rates))

    def init(self, weights: Sequence[tf.Tensor]) -> Moments:
        """See `InnerOptimizer.init`."""
        moments: Moments = self.optimizer.init(weights)
        return moments

    def update(
        self,
        weights: Sequence[tf.Tensor],
        gradient: Sequence[tf.Tensor],
        moments: Moments,
        step: Any,
    ) -> tuple[list[tf.Tensor], Moments]:
        """See `InnerOptimizer.update`."""
        rates = [_at_step(rate, step) for rate in self.rates]
        updated: tuple[list[tf.Tensor], Moments] = self.optimizer._replace(rates=rates).update(
            weights, gradient, moments, step
        )
        return updated


class Proximal(NamedTuple):
    """Another optimizer, of a loss to which weight / 2 * |w - anchor|^2 is added.

    optimizer: that takes the steps.
    weight: >= 0.
    anchors: a list like the weights.
    """

    optimizer: Any
    weight: float
    anchors: list[tf.Tensor]

    def init(self, weights: Sequence[tf.Tensor]) -> Moments:
        """See `InnerOptimizer.init`."""
        moments: Moments = self.optimizer.init(weights)
        return moments

    def update(
        self,
        weights: Sequence[tf.Tensor],
        gradient: Sequence[tf.Tensor],
        moments: Moments,
        step: Any,
    ) -> tuple[list[tf.Tensor], Moments]:
        """See `InnerOptimizer.update`."""
        triples = zip(weights, gradient, self.anchors, strict=True)
        pulled = [g + tf.constant(self.weight, g.dtype) * (w - a) for w, g, a in triples]
        updated: tuple[list[tf.Tensor], Moments] = self.optimizer.update(
            weights, pulled, moments, step
        )
        return updated


def _at_step(rates: tf.Tensor, step: Any) -> tf.Tensor:
    """Take the rate of a step, or the last one.

    In a loop as a product: XLA does not take the gradient of a slice whose place is computed.
    """
    number = rates.shape[0]
    if isinstance(step, int):
        return rates[min(step, number - 1)]
    chosen = tf.one_hot(tf.minimum(step, number - 1), number, dtype=rates.dtype)
    return tf.reduce_sum(rates * chosen)


def scaled(optimizer: Any, factor: float) -> Any:
    """Copy an optimizer that has one rate for all weights, with `factor` times that rate."""
    return optimizer._replace(rates=optimizer.rates * factor)


def _for_each(rates: Any, weights: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    if isinstance(rates, list):
        return rates
    dtype = weights[0].dtype
    rate = tf.cast(rates, dtype) if tf.is_tensor(rates) else tf.constant(rates, dtype)
    return [rate] * len(weights)
