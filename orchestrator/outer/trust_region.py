"""Outer updates that look at a step's episodes more than once: each look is a round.

A generator yields what it wants to know and is sent the mean over the step's tasks; what it
returns is the new theta, and what is worth logging.
"""

from collections.abc import Callable, Generator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from orchestrator.config.driver_settings import OuterSettings
from workers.wire.protocol import RoundName, Vector
from workers.wire.tensors import dot

_RESIDUAL = 1e-10


class Round(NamedTuple):
    """name: see `workers.policies.rounds`. now: theta. argument: float32."""

    name: RoundName
    now: Vector
    argument: Vector


class Found(NamedTuple):
    """Means over the step's tasks: a vector like theta, and metrics by name."""

    vector: Vector
    metrics: dict[str, float]


Logged = dict[str, float]
Rounds = Generator[Round, Found, tuple[Vector, Logged]]


def trust_region(settings: OuterSettings, theta: Vector, first: Found) -> Rounds:
    """As far along the natural gradient as the divergence allows, if the loss falls there.

    Args:
      theta: where the episodes were made, float32 [parameters].
      first: the outer gradient there.
    Returns:
      the new theta: the old one where no step was better. Logged: "kl", of what policies do
      after adaptation from what they did, and "shrunk", how often the step was shortened.
    Source: Schulman et al. 2015, arXiv:1502.05477, appendix C.
    """
    gradient = first.vector.astype(np.float64)
    direction, bend = yield from _natural(settings, theta, gradient)
    if bend <= 0:
        return theta, {"kl": 0.0, "shrunk": float(settings.line_search)}
    step = np.sqrt(2 * settings.max_divergence / bend) * direction
    nothing = np.zeros(0, np.float32)
    for shrunk in range(settings.line_search):
        there = (theta - settings.shrink**shrunk * step).astype(np.float32)
        found = (yield Round("line_search", there, nothing)).metrics
        divergence = found["kl"]
        # Either may be nan.
        if divergence <= settings.max_divergence and found["gain"] > 0:
            return there, {"kl": divergence, "shrunk": float(shrunk)}
    return theta, {"kl": 0.0, "shrunk": float(settings.line_search)}


def _natural(
    settings: OuterSettings, theta: Vector, gradient: NDArray[np.float64]
) -> Generator[Round, Found, tuple[NDArray[np.float64], float]]:
    """Conjugate gradients: x with F x = gradient, F the divergence's second derivative, damped.

    Returns:
      x, float64, and x F x.
    """
    x, residual, along = np.zeros_like(gradient), gradient.copy(), gradient.copy()
    size = dot(residual, residual)
    for _ in range(settings.conjugate_steps):
        if size < _RESIDUAL:
            break
        found = yield Round("fisher_vector", theta, along.astype(np.float32))
        product = found.vector + settings.damping * along
        curvature = dot(along, product)
        if not curvature > 0:
            break
        x = x + size / curvature * along
        residual = residual - size / curvature * product
        smaller = dot(residual, residual)
        along, size = residual + smaller / size * along, smaller
    return x, dot(x, gradient - residual)


def drive(rounds: Rounds, reduce: Callable[[Round], Found]) -> tuple[Vector, Logged]:
    """Run rounds to their end; what they return."""
    try:
        wanted = next(rounds)
        while True:
            wanted = rounds.send(reduce(wanted))
    except StopIteration as end:
        returned: tuple[Vector, Logged] = end.value
        return returned
