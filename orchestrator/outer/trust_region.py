"""The trust-region update, which evaluates a step's episodes in several rounds.

It is a generator: it yields each round that it needs and is sent the means over the step's tasks;
it returns the new theta and the numbers to log.
"""

from collections.abc import Callable, Generator

import numpy as np
from numpy.typing import NDArray

from orchestrator.config.driver_settings import OuterSettings
from orchestrator.outer.rounds import Round, RoundResult
from workers.wire.protocol import Vector
from workers.wire.tensors import dot

_RESIDUAL = 1e-10


Logged = dict[str, float]
Rounds = Generator[Round, RoundResult, tuple[Vector, Logged]]


def trust_region(settings: OuterSettings, theta: Vector, first: RoundResult) -> Rounds:
    """Step along the natural gradient as far as the trust region allows, if the loss falls there.

    Args:
      theta: weights with which the episodes were collected, float32 [parameters].
      first: the outer gradient at theta.
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
) -> Generator[Round, RoundResult, tuple[NDArray[np.float64], float]]:
    """Solve F x = gradient by conjugate gradients, F the damped second derivative of the KL.

    Returns:
      x, float64 [parameters], and x F x.
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


def drive(rounds: Rounds, run_round: Callable[[Round], RoundResult]) -> tuple[Vector, Logged]:
    """Run all rounds with `run_round`; return the new theta and the numbers to log."""
    try:
        wanted = next(rounds)
        while True:
            wanted = rounds.send(run_round(wanted))
    except StopIteration as end:
        returned: tuple[Vector, Logged] = end.value
        return returned
