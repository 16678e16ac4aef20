import numpy as np
import pytest
from small_artefacts import AsTheyAre, as_they_are

from orchestrator.adaptation.predictions import Predictions, as_table, summary
from orchestrator.adaptation.user_tasks import UserTask
from workers.losses.registry import make_loss
from workers.losses.scoring import Scorer
from workers.settings.losses.loss_settings import LossSettings

CLASSES, NUMBERS = Scorer(make_loss("cross_entropy")), Scorer(make_loss("mse"))


def task(name="", classes=None, targets=None, rows=(0, 1)):
    if targets is not None:
        targets = np.array(targets, np.int32 if classes else np.float32)
    rows = np.array(rows)
    inputs = np.zeros((len(rows), 1), np.float32)
    return UserTask(name, classes, inputs, np.zeros(len(rows)), inputs, targets, rows)


def of_classes(**options):
    """Two queries, one step: the first is always a, the second b only after it."""
    logits = np.array([[[2, 0, 9], [1, 0, 9]], [[3, 0, 9], [0, 1, 9]]], np.float32)
    return Predictions.of(task(classes=["a", "b"], **options), logits, as_they_are, CLASSES)


def test_outputs_without_a_class_are_left_out():
    predictions = of_classes()
    np.testing.assert_allclose(
        predictions.answers[1, 0], [1 / (1 + np.exp(-3)), 1 / (1 + np.exp(3))]
    )
    np.testing.assert_allclose(predictions.answers.sum(-1), 1, rtol=1e-6)
    assert [predictions.predicted(step, 1) for step in (0, 1)] == ["a", "b"]


def test_accuracy_is_that_after_each_inner_step():
    assert of_classes().scores is None
    assert list(of_classes(targets=[0, 1]).scores["accuracy"]) == [0.5, 1]


def test_the_error_is_the_mean_square():
    values = np.array([[[0.0], [0.0]], [[1.0], [3.0]]], np.float32)
    predictions = Predictions.of(task(targets=[[1.0], [1.0]]), values, as_they_are, NUMBERS)
    assert list(predictions.scores["mse"]) == [1, 2]
    assert (predictions.predicted(-1, 1), predictions.target(0)) == (3.0, 1.0)


def test_the_table_has_a_row_for_each_query_in_the_order_of_the_query_set():
    one = of_classes(name="one", targets=[0, 0], rows=(2, 0))
    two = of_classes(name="two", targets=[1, 1], rows=(1, 3))
    rows = as_table([one, two], ["q0", "q1", "q2", "q3"]).to_pylist()
    assert [(row["query"], row["task"]) for row in rows] == [
        ("q0", "one"),
        ("q1", "two"),
        ("q2", "one"),
        ("q3", "two"),
    ]
    assert [row["prediction"] for row in rows] == ["b", "a", "a", "b"]
    assert [row["target"] for row in rows] == ["a", "b", "a", "b"]
    assert rows[0]["probability"] == pytest.approx(1 / (1 + np.exp(-1)))
    assert rows[0]["classes"] == ["a", "b"]
    np.testing.assert_allclose(rows[0]["by_inner_step"], one.answers[:, 1])
    assert rows[0]["probabilities"] == rows[0]["by_inner_step"][-1]


def test_a_table_of_one_task_without_truth_lacks_these_columns():
    values = np.zeros((3, 2, 1), np.float32)
    table = as_table([Predictions.of(task(), values, as_they_are, NUMBERS)], ["a", "b"])
    assert table.column_names == ["query", "prediction", "by_inner_step"]
    assert table.to_pylist()[0]["by_inner_step"] == [0, 0, 0]


def test_several_tasks_are_averaged_with_an_interval():
    values = np.zeros((1, 1, 1), np.float32)
    scored = [
        Predictions.of(task(targets=[[error]], rows=(0,)), values, as_they_are, NUMBERS)
        for error in (1.0, 2.0, 3.0)
    ]
    squares = np.array([1.0, 4.0, 9.0])
    [(mean, interval)] = summary(scored)["mse"]
    assert mean == pytest.approx(squares.mean())
    assert interval == pytest.approx(1.96 * squares.std(ddof=1) / np.sqrt(3))
    assert summary(scored[:1])["mse"] == [(1.0, None)]
    assert summary([of_classes()]) == {}


def test_labels_have_probabilities_and_a_share_that_is_right():
    logits = np.array([[[-1.0, 1.0], [0.5, 0.5]], [[-2.0, 2.0], [-3.0, 3.0]]], np.float32)
    labels = task(targets=[[0, 1], [1, 1]])
    predictions = Predictions.of(
        labels, logits, as_they_are, Scorer(make_loss("binary_cross_entropy"))
    )
    np.testing.assert_array_equal(predictions.scores["accuracy"], [1.0, 0.75])
    rows = as_table([predictions], ["a", "b"]).to_pylist()
    assert [row["prediction"] for row in rows] == [[0, 1], [0, 1]]
    assert rows[1]["target"] == [1, 1]
    np.testing.assert_allclose(rows[0]["probabilities"], 1 / (1 + np.exp([2, -2])), rtol=1e-5)
    assert np.shape(rows[0]["by_inner_step"]) == (2, 2)


def test_a_likelihood_has_a_deviation_beside_each_mean():
    outputs = np.array([[[1.0, 0.0], [2.0, np.log(3)]]], np.float32)
    likelihood = Scorer(make_loss("gaussian_nll"))
    predictions = Predictions.of(task(targets=[[1], [4]]), outputs, as_they_are, likelihood)
    np.testing.assert_allclose(predictions.scores["mse"], [2.0])
    rows = as_table([predictions], ["a", "b"]).to_pylist()
    assert [row["prediction"] for row in rows] == [1.0, 2.0]
    np.testing.assert_allclose([row["deviation"] for row in rows], [1, 3], rtol=1e-6)


def test_a_deviation_is_scaled_and_not_shifted():
    class Celsius(AsTheyAre):
        def answers(self, task, outputs):
            return 32 + 1.8 * outputs

    outputs = np.array([[[10.0, 0.0]]], np.float32)
    likelihood = Scorer(make_loss("gaussian_nll"))
    predictions = Predictions.of(task(rows=(0,)), outputs, Celsius(), likelihood)
    np.testing.assert_allclose(predictions.answers, [[[50.0]]])
    np.testing.assert_allclose(predictions.deviations, [[[1.8]]])


def test_further_outputs_of_a_users_loss_are_kept():
    settings = LossSettings(targets="numbers", outputs_per_target=2)
    own = Scorer(make_loss("a:quantiles", settings))
    outputs = np.array([[[1.0, 5.0], [2.0, 6.0]]], np.float32)
    rows = as_table([Predictions.of(task(), outputs, as_they_are, own)], ["a", "b"]).to_pylist()
    assert [(row["prediction"], row["outputs"]) for row in rows] == [(1, [1, 5]), (2, [2, 6])]
