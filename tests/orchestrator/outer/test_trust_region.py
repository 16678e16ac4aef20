"""The trust region on a problem whose curvature is known."""

import numpy as np
import pytest

from orchestrator.config.driver_settings import OuterSettings
from orchestrator.outer.rounds import RoundResult
from orchestrator.outer.trust_region import drive, trust_region

SIZE = 6
RNG = np.random.default_rng(0)
ROOT = RNG.normal(size=(SIZE, SIZE))
FISHER = ROOT @ ROOT.T + np.eye(SIZE)
THETA = RNG.normal(size=SIZE).astype(np.float32)
GRADIENT = RNG.normal(size=SIZE).astype(np.float32)


class Quadratic:
    """The loss is linear, the divergence quadratic; as seen from THETA."""

    def __init__(self, loss=None, divergence=1.0):
        self.asked, self._loss, self._divergence = [], loss, divergence

    def __call__(self, wanted):
        self.asked.append(wanted)
        if wanted.name == "fisher_vector":
            np.testing.assert_array_equal(wanted.now, THETA)
            return RoundResult((FISHER @ wanted.argument).astype(np.float32), {})
        moved = wanted.now.astype(float) - THETA
        number = sum(each.name == "line_search" for each in self.asked)
        loss = GRADIENT @ moved if self._loss is None else self._loss(number)
        divergence = self._divergence * 0.5 * moved @ FISHER @ moved
        return RoundResult(np.zeros(SIZE, np.float32), {"gain": -loss, "kl": divergence})


def solve(reduce, **changes):
    settings = OuterSettings(optimizer="trpo", **{"damping": 0.0} | changes)
    first = RoundResult(GRADIENT, {})
    return drive(trust_region(settings, THETA, first), reduce)


def exact(divergence=0.01, damping=0.0):
    bent = FISHER + damping * np.eye(SIZE)
    direction = np.linalg.solve(bent, GRADIENT)
    return THETA - np.sqrt(2 * divergence / (direction @ bent @ direction)) * direction


def test_the_step_is_the_natural_gradient_as_long_as_the_divergence_allows():
    theta, logged = solve(Quadratic(divergence=0.999))  # rounding is no reason to be shorter
    assert theta.dtype == np.float32
    np.testing.assert_allclose(theta, exact(), rtol=1e-4, atol=1e-5)
    assert logged["kl"] == pytest.approx(0.01, rel=2e-3)
    assert logged["shrunk"] == 0


def test_more_divergence_is_a_longer_step():
    theta, _ = solve(Quadratic(divergence=0.999), max_divergence=0.5)
    np.testing.assert_allclose(theta, exact(0.5), rtol=1e-4, atol=1e-5)


def test_damping_is_added_to_the_curvature():
    theta, _ = solve(Quadratic(), damping=2.0)
    np.testing.assert_allclose(theta, exact(damping=2.0), rtol=1e-4, atol=1e-5)
    assert np.abs(exact(damping=2.0) - exact()).max() > 1e-3


def test_conjugate_gradients_ask_no_more_often_than_they_may():
    reduce = Quadratic()
    solve(reduce, conjugate_steps=3)
    assert [each.name for each in reduce.asked].count("fisher_vector") == 3


def test_a_step_that_diverges_too_far_is_shortened():
    theta, logged = solve(Quadratic(divergence=2.0))
    assert logged["shrunk"] == 2  # 0.8^4 < 1/2 < 0.8^2
    np.testing.assert_allclose(theta - THETA, 0.64 * (exact() - THETA), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("worse", [0.0, 1.0, np.nan])
def test_a_step_that_does_not_lower_the_loss_is_not_taken(worse):
    reduce = Quadratic(loss=lambda number: worse, divergence=0.5)
    theta, logged = solve(reduce, line_search=4)
    np.testing.assert_array_equal(theta, THETA)
    assert logged == {"kl": 0.0, "shrunk": 4.0}
    assert [each.name for each in reduce.asked].count("line_search") == 4


def test_the_first_length_that_lowers_the_loss_is_taken():
    theta, logged = solve(Quadratic(lambda number: -1.0 if number == 3 else 1.0, 0.5))
    assert logged["shrunk"] == 2
    np.testing.assert_allclose(theta - THETA, 0.64 * (exact() - THETA), rtol=1e-3, atol=1e-5)


def test_where_nothing_can_be_gained_nothing_is_done():
    settings = OuterSettings(optimizer="trpo")
    still = RoundResult(np.zeros(SIZE, np.float32), {"loss_after": 0.0})
    reduce = Quadratic()
    theta, _ = drive(trust_region(settings, THETA, still), reduce)
    np.testing.assert_array_equal(theta, THETA)
    assert reduce.asked == []
