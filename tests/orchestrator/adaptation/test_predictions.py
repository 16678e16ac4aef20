import numpy as np
import pytest
from small_artefacts import as_they_are

from orchestrator.adaptation.predictions import Predictions, as_table, summary
from orchestrator.adaptation.user_tasks import UserTask


def task(name="", classes=None, targets=None, rows=(0, 1)):
    if targets is not None:
        targets = np.array(targets, np.int32 if classes else np.float32)
    rows = np.array(rows)
    inputs = np.zeros((len(rows), 1), np.float32)
    return UserTask(name, classes, inputs, np.zeros(len(rows)), inputs, targets, rows)


def of_classes(**options):
    """Two queries, one step: the first is always a, the second b only after it."""
    logits = np.array([[[2, 0, 9], [1, 0, 9]], [[3, 0, 9], [0, 1, 9]]], np.float32)
    return Predictions.of(task(classes=["a", "b"], **options), logits, as_they_are)


def test_outputs_without_a_class_are_left_out():
    predictions = of_classes()
    np.testing.assert_allclose(
        predictions.answers[1, 0], [1 / (1 + np.exp(-3)), 1 / (1 + np.exp(3))]
    )
    np.testing.assert_allclose(predictions.answers.sum(-1), 1, rtol=1e-6)
    assert [predictions.predicted(step, 1) for step in (0, 1)] == ["a", "b"]


def test_accuracy_is_that_after_each_inner_step():
    assert of_classes().scores() is None
    assert list(of_classes(targets=[0, 1]).scores()["accuracy"]) == [0.5, 1]


def test_the_error_is_the_mean_square():
    values = np.array([[[0.0], [0.0]], [[1.0], [3.0]]], np.float32)
    predictions = Predictions.of(task(targets=[[1.0], [1.0]]), values, as_they_are)
    assert list(predictions.scores()["mse"]) == [1, 2]
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
    table = as_table([Predictions.of(task(), values, as_they_are)], ["a", "b"])
    assert table.column_names == ["query", "prediction", "by_inner_step"]
    assert table.to_pylist()[0]["by_inner_step"] == [0, 0, 0]


def test_several_tasks_are_averaged_with_an_interval():
    values = np.zeros((1, 1, 1), np.float32)
    scored = [
        Predictions.of(task(targets=[[error]], rows=(0,)), values, as_they_are)
        for error in (1.0, 2.0, 3.0)
    ]
    squares = np.array([1.0, 4.0, 9.0])
    [(mean, interval)] = summary(scored)["mse"]
    assert mean == pytest.approx(squares.mean())
    assert interval == pytest.approx(1.96 * squares.std(ddof=1) / np.sqrt(3))
    assert summary(scored[:1])["mse"] == [(1.0, None)]
    assert summary([of_classes()]) == {}
