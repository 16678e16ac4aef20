"""The named losses, against the formulas that define them."""

import numpy as np
import pytest
import tensorflow as tf

from workers.losses.registry import LOSSES, loss_of, make_loss, names_for
from workers.losses.squared_error import mse
from workers.metrics import METRICS
from workers.settings.losses.loss_settings import LossSettings

LOGITS = np.random.default_rng(0).normal(size=(6, 3)).astype(np.float32)
CLASSES = np.array([0, 2, 1, 0, 2, 2], np.int32)
LABELS = np.random.default_rng(1).integers(0, 2, (6, 3)).astype(np.float32)
VALUES = np.random.default_rng(2).normal(size=(6, 2)).astype(np.float32)


def value(name, outputs, targets, **settings):
    loss = make_loss(name, LossSettings(**settings))
    return float(loss.mean(tf.constant(outputs), tf.constant(targets)))


def log_softmax(x):
    return x - np.log(np.exp(x).sum(-1, keepdims=True))


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_is_called_as_its_row_and_is_scored_by_known_metrics(name):
    record = LOSSES[name]
    assert record.name == name
    assert record.__doc__
    assert set(record.scored_by) <= METRICS.keys()
    loss = make_loss(name)
    assert loss.main.sign
    assert set(loss.measures()) == set(record.scored_by) - {"loss"} or loss.acts
    assert bool(record.title) != loss.acts
    assert record.uses <= LossSettings.model_fields.keys()


def test_a_loss_that_there_is_not_is_refused():
    with pytest.raises(ValueError, match="there is no loss 'hinge'; there are mse, gaussian_nll"):
        make_loss("hinge")
    assert names_for({"labels"}) == ["binary_cross_entropy"]


def test_weights_make_a_weighted_mean_of_the_cross_entropies():
    weights = (1.0, 2.0, 5.0)
    own = np.array(weights)[CLASSES]
    by_example = -log_softmax(LOGITS)[np.arange(6), CLASSES]
    found = value("cross_entropy", LOGITS, CLASSES, class_weights=weights)
    assert found == pytest.approx((own * by_example).sum() / own.sum(), rel=1e-5)
    same = value("cross_entropy", LOGITS, CLASSES, class_weights=(2.0, 2.0, 2.0))
    assert same == pytest.approx(value("cross_entropy", LOGITS, CLASSES), rel=1e-5)


def test_smoothing_spreads_a_share_over_all_classes():
    wanted = 0.8 * np.eye(3)[CLASSES] + 0.2 / 3
    expected = -(wanted * log_softmax(LOGITS)).sum(-1).mean()
    assert value("cross_entropy", LOGITS, CLASSES, label_smoothing=0.2) == pytest.approx(
        expected, rel=1e-5
    )


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
@pytest.mark.parametrize("weights", [None, (1.0, 3.0, 0.5)])
def test_binary_cross_entropy_is_that_of_each_label(weights, smoothing):
    probability = 1 / (1 + np.exp(-LOGITS.astype(np.float64)))
    wanted = LABELS * (1 - smoothing) + smoothing / 2
    ones = np.array(weights or (1, 1, 1)) * wanted * np.log(probability)
    expected = -(ones + (1 - wanted) * np.log(1 - probability)).mean()
    settings = {"class_weights": weights, "label_smoothing": smoothing}
    found = value("binary_cross_entropy", LOGITS, LABELS, **settings)
    assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("weights", [None, (1.0, 3.0, 0.5)])
def test_labels_have_a_gradient_at_logits_of_0(weights):
    loss = make_loss("binary_cross_entropy", LossSettings(class_weights=weights))
    outputs = tf.zeros((1, 3))
    with tf.GradientTape() as tape:
        tape.watch(outputs)
        value = loss.mean(outputs, tf.ones((1, 3)))
    expected = -np.array([weights or (1, 1, 1)]) / 2 / 3
    np.testing.assert_allclose(tape.gradient(value, outputs), expected, rtol=1e-6)


def test_labels_are_scored_by_label_and_by_example():
    measures = make_loss("binary_cross_entropy").measures()
    outputs = tf.constant([[1.0, -1.0], [2.0, 2.0]])
    targets = tf.constant([[1.0, 0.0], [1.0, 0.0]])
    assert float(measures["accuracy"](outputs, targets, 0.0)) == 0.75
    assert float(measures["exact"](outputs, targets, 0.0)) == 0.5


def test_the_likelihood_is_that_of_the_normal_distribution():
    means, logs = VALUES + 0.5, np.full((6, 2), 0.3, np.float32)
    outputs = np.concatenate([means, logs], axis=1)
    scaled = (VALUES - means) / np.exp(0.3)
    expected = (scaled**2 / 2 + 0.3 + np.log(2 * np.pi) / 2).mean()
    assert value("gaussian_nll", outputs, VALUES) == pytest.approx(expected, rel=1e-5)
    measured = make_loss("gaussian_nll").measures()["mse"](tf.constant(outputs), VALUES, 0.0)
    assert float(measured) == pytest.approx(float(mse(tf.constant(means), VALUES)))


def test_deviations_that_are_far_too_small_give_a_finite_loss():
    outputs = np.array([[0.0, -100.0]], np.float32)
    assert np.isfinite(value("gaussian_nll", outputs, np.array([[1.0]], np.float32)))


@pytest.mark.parametrize("name", ["cross_entropy", "binary_cross_entropy", "gaussian_nll", "mse"])
def test_second_derivatives_are_right(name):
    from workers.model_checks.loss_derivatives import second_derivative

    targets = {"cross_entropy": CLASSES, "binary_cross_entropy": LABELS}.get(name, VALUES)
    outputs = {"gaussian_nll": np.c_[VALUES + 1, VALUES], "mse": VALUES + 1}.get(name, LOGITS)
    settings = LossSettings()
    if "cross" in name:
        settings = LossSettings(class_weights=(1.0, 2.0, 3.0), label_smoothing=0.1)
    points = [(tf.constant(outputs, tf.float32), tf.constant(targets))]
    assert second_derivative(make_loss(name, settings).mean, points) == ("right", "")


def test_what_outputs_mean_for_people():
    gaussian, labels = make_loss("gaussian_nll"), make_loss("binary_cross_entropy")
    outputs = np.array([[1.0, 2.0, 0.0, np.log(3)]], np.float32)
    np.testing.assert_allclose(gaussian.predicted(outputs), [[1, 2]])
    np.testing.assert_allclose(gaussian.deviations(outputs), [[1, 3]], rtol=1e-6)
    np.testing.assert_allclose(labels.predicted(np.array([[0.0, 800.0]])), [[0.5, 1.0]])
    assert labels.deviations(outputs) is None
    own = make_loss("any:thing", LossSettings(targets="numbers", outputs_per_target=2))
    np.testing.assert_allclose(own.predicted(outputs), [[1, 2]])


def test_a_log_deviation_is_shifted_where_a_mean_is_scaled():
    shift, factor = make_loss("gaussian_nll").scale(np.array([5.0]), np.array([10.0]))
    outputs = np.array([0.5, np.log(0.2)]) * factor + shift
    np.testing.assert_allclose([outputs[0], np.exp(outputs[1])], [10.0, 2.0])
    own = make_loss("any:thing", LossSettings(targets="numbers", outputs_per_target=2))
    shift, factor = own.scale(np.array([5.0]), np.array([10.0]))
    np.testing.assert_allclose([shift, factor], [[5, 0], [10, 1]])


def test_chance_is_that_of_the_metric_that_decides():
    assert make_loss("cross_entropy").chance(4, None) == 0.25
    assert make_loss("mse").chance(1, 1.0) == 1.0
    assert make_loss("next_token").chance(8, None) == 3
    assert make_loss("gaussian_nll").chance(2, 1.0) is None
    assert make_loss("cross_entropy", LossSettings(main_metric="loss")).chance(4, None) is None


def test_a_users_metric_says_which_way_is_better():
    settings = LossSettings(
        metrics={"r2": "max:a:r2", "mae": "min:a:mae", "bias": "a:bias"}, main_metric="r2"
    )
    metrics = make_loss("mse", settings).metrics
    assert [(metric.name, metric.sign) for metric in metrics] == [
        ("r2", 1),
        ("loss", -1),
        ("mae", -1),
        ("bias", 0),
    ]


def test_of_a_users_loss_accuracy_decides_where_there_are_classes():
    assert make_loss("a:focal", LossSettings(targets="classes")).main.name == "accuracy"
    assert make_loss("a:huber", LossSettings(targets="numbers")).main.name == "loss"


def test_tasks_without_settings_have_those_of_the_name_alone():
    class Stairs:
        loss = "mse"

    assert loss_of(Stairs()).settings == LossSettings()
