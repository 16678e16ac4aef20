"""The networks in JAX, as functions of lists of weights in Keras' layout."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from peers.problem import Problem

EPSILON = 1e-3
BETA2 = 0.999

Weights = Sequence[Array]


def loss(problem: Problem, patches: bool) -> Callable[[Weights, Array, Array], Array]:
    """Make the function of the mean loss of the network's outputs.

    Args:
      patches: write a convolution as nine shifted images and one matrix product, instead of
        `lax.conv_general_dilated`, for whose derivatives XLA has no fast kernel on a CPU.
    """
    if problem.model == "mlp":
        return lambda theta, inputs, targets: jnp.mean((_mlp(theta, inputs) - targets) ** 2)
    convolve = _patches if patches else _convolve
    mean = problem.readout == "mean"

    def cross_entropy(theta: Weights, inputs: Array, targets: Array) -> Array:
        scores = jax.nn.log_softmax(_conv4(convolve, mean, theta, inputs))
        return -jnp.mean(jnp.take_along_axis(scores, targets[:, None], axis=1))

    return cross_entropy


def adam_step(theta: Weights, gradient: Weights, moments: Weights, step: int, rate: float) -> Any:
    """Take the `step`-th step, from 0, of Adam with beta1 = 0; return new weights and moments."""
    moments = [BETA2 * m + (1 - BETA2) * g * g for m, g in zip(moments, gradient, strict=True)]
    scale = rate * (1 - BETA2 ** (step + 1)) ** 0.5
    rows = zip(theta, gradient, moments, strict=True)
    return [w - scale * g / (jnp.sqrt(m) + 1e-8) for w, g, m in rows], moments


def _mlp(theta: Weights, inputs: Array) -> Array:
    hidden = inputs
    for kernel, bias in zip(theta[:-2:2], theta[1:-2:2], strict=True):
        hidden = jax.nn.relu(hidden @ kernel + bias)
    return hidden @ theta[-2] + theta[-1]


def _conv4(convolve: Any, mean: bool, theta: Weights, inputs: Array) -> Array:
    hidden = inputs
    for kernel, gamma, beta in zip(theta[:-2:3], theta[1:-2:3], theta[2:-2:3], strict=True):
        hidden = convolve(hidden, kernel)
        center = jnp.mean(hidden, (0, 1, 2))
        variance = jnp.mean((hidden - center) ** 2, (0, 1, 2))
        hidden = (hidden - center) * (lax.rsqrt(variance + EPSILON) * gamma) + beta
        hidden = jax.nn.relu(hidden)
    features = jnp.mean(hidden, (1, 2)) if mean else hidden.reshape(len(hidden), -1)
    return features @ theta[-2] + theta[-1]


def _convolve(inputs: Array, kernel: Array) -> Array:
    return lax.conv_general_dilated(
        inputs, kernel, (2, 2), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _patches(inputs: Array, kernel: Array) -> Array:
    size = inputs.shape[1]
    half = -(-size // 2)
    total = 2 * (half - 1) + 3 - size
    pad = (total // 2, total - total // 2)
    padded = jnp.pad(inputs, ((0, 0), pad, pad, (0, 0)))
    shifted = [
        padded[:, i : i + 2 * half - 1 : 2, j : j + 2 * half - 1 : 2]
        for i in range(3)
        for j in range(3)
    ]
    return jnp.concatenate(shifted, -1) @ kernel.reshape(-1, kernel.shape[-1])
