"""The temperature, against a fine grid, and the error of calibration, by hand."""

import numpy as np
import pytest

from orchestrator.calibration.temperature import (
    COLDEST,
    HOTTEST,
    bins_of,
    calibration_error,
    fit_temperature,
    softmax,
)


def _cross_entropy(logits, targets, weights, temperature):
    p = softmax(logits, temperature)[np.arange(len(targets)), targets]
    return -(weights * np.log(p)).sum()


@pytest.mark.parametrize("factor", [0.2, 1.0, 7.0])
def test_the_temperature_is_the_best_of_a_fine_grid(factor):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(4000, 4))
    targets = np.array([rng.choice(4, p=p) for p in softmax(logits)])
    weights = rng.uniform(size=4000)
    found = fit_temperature(factor * logits, targets, weights)
    grid = found * np.linspace(0.9, 1.1, 2001)
    losses = [_cross_entropy(factor * logits, targets, weights, each) for each in grid]
    assert abs(grid[np.argmin(losses)] / found - 1) <= 1e-4
    assert abs(found / factor - 1) < 0.1


def test_targets_that_are_always_right_make_it_as_cold_as_may_be():
    logits, targets = np.eye(3)[[0, 1, 2, 0]], np.array([0, 1, 2, 0])
    assert fit_temperature(logits, targets, np.ones(4)) == pytest.approx(COLDEST)


def test_targets_that_are_always_wrong_make_it_as_hot_as_may_be():
    logits, targets = np.eye(3)[[0, 1, 2, 0]], np.array([1, 2, 0, 2])
    assert fit_temperature(logits, targets, np.ones(4)) == pytest.approx(HOTTEST)


def test_a_class_without_an_example_has_no_probability():
    logits = np.array([[1.0, 0.0, -np.inf]])
    assert softmax(logits, HOTTEST)[0, 2] == 0
    assert softmax(logits)[0, :2].tolist() == pytest.approx([0.7310586, 0.2689414])
    temperature = fit_temperature(np.repeat(logits, 4, 0), np.array([0, 0, 0, 1]), np.ones(4))
    assert softmax(logits, temperature)[0, 0] == pytest.approx(0.75)


def test_the_error_of_calibration_by_hand():
    confidence = [0.95, 0.95, 0.55, 0.55, np.nan]
    bins = bins_of(confidence, [1, 1, 1, 0, 1], [0.25] * 4 + [0.0])
    filled = bins[bins[:, 0] > 0]
    assert filled.tolist() == [[0.5, pytest.approx(0.55), 0.5], [0.5, pytest.approx(0.95), 1.0]]
    assert calibration_error(bins) == pytest.approx(0.5 * 0.05 + 0.5 * 0.05)


def test_the_bounds_of_bins_belong_to_the_lower_one():
    assert bins_of([1 / 15], [1], [1.0])[0, 0] == 1
    assert bins_of([1.0], [1], [1.0])[14, 0] == 1
