"""Losses of tasks with padding are those of the examples that there are."""

import numpy as np
import pytest
import tensorflow as tf

from workers.losses.registry import make_loss
from workers.settings.losses.loss_settings import LossSettings

RNG = np.random.default_rng(0)
OUTPUTS = RNG.normal(size=(6, 4)).astype(np.float32)
CLASSES = np.array([0, 2, 1, 3, 2, 2], np.int32)
NUMBERS = {
    "mse": RNG.normal(size=(6, 4)),
    "gaussian_nll": RNG.normal(size=(6, 2)),
    "binary_cross_entropy": RNG.integers(0, 2, (6, 4)),
}
REAL = np.array([True, False, True, True, False, True])
CASES = {
    "mse": ("mse", {}),
    "gaussian_nll": ("gaussian_nll", {}),
    "labels": ("binary_cross_entropy", {}),
    "labels, weighted": (
        "binary_cross_entropy",
        {"class_weights": (1.0, 2.0, 3.0, 4.0), "label_smoothing": 0.1},
    ),
    "classes": ("cross_entropy", {}),
    "classes, smoothed": ("cross_entropy", {"label_smoothing": 0.2}),
    "classes, weighted": ("cross_entropy", {"class_weights": (1.0, 2.0, 3.0, 4.0)}),
}


def targets_of(name):
    """The targets, and the same with padding marked."""
    if name == "cross_entropy":
        return CLASSES, np.where(REAL, CLASSES, -1).astype(np.int32)
    values = NUMBERS[name].astype(np.float32)
    return values, np.where(REAL[:, None], values, np.nan).astype(np.float32)


def scores(functions, outputs, targets):
    """The loss, its gradient, and the metrics."""
    outputs, targets = tf.constant(outputs), tf.constant(targets)
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        loss = functions.mean(outputs, targets)
    metrics = [of(outputs, targets, loss) for of in functions.metrics.values()]
    return float(loss), tape.gradient(loss, outputs).numpy(), list(map(float, metrics))


@pytest.mark.parametrize("case", CASES)
def test_a_padded_loss_is_that_of_the_real_examples(case):
    name, settings = CASES[case]
    loss = make_loss(name, LossSettings(**settings))
    whole, marked = targets_of(name)
    plain = scores(loss.functions(), OUTPUTS[REAL], whole[REAL])
    padded = scores(loss.functions(padded=True), OUTPUTS, marked)
    assert padded[0] == pytest.approx(plain[0], rel=1e-6)
    np.testing.assert_allclose(padded[1][REAL], plain[1], rtol=1e-5, atol=1e-8)
    np.testing.assert_array_equal(padded[1][~REAL], 0)
    assert padded[2] == pytest.approx(plain[2], rel=1e-6)
    assert set(loss.measures()) == set(loss.measures_by_example())


@pytest.mark.parametrize("case", CASES)
def test_outputs_for_padding_change_no_bit(case):
    name, settings = CASES[case]
    functions = make_loss(name, LossSettings(**settings)).functions(padded=True)
    other = np.where(REAL[:, None], OUTPUTS, 1e6).astype(np.float32)
    first, second = (
        scores(functions, outputs, targets_of(name)[1]) for outputs in (OUTPUTS, other)
    )
    assert first[0] == second[0]
    np.testing.assert_array_equal(first[1], second[1])
    assert first[2] == second[2]


@pytest.mark.parametrize("case", CASES)
def test_without_padding_both_are_the_same(case):
    name, settings = CASES[case]
    loss = make_loss(name, LossSettings(**settings))
    whole, _ = targets_of(name)
    plain, padded = (scores(loss.functions(how), OUTPUTS, whole) for how in (False, True))
    assert padded[0] == pytest.approx(plain[0], rel=1e-6)
    assert padded[2] == pytest.approx(plain[2], rel=1e-6)
