"""The loss of a family: by its targets, by name, or the user's; what does not fit is refused."""

import re

import numpy as np
import pytest
from pydantic import ValidationError
from small_tables import SENSORS, write_table
from user_tasks_module import body

from workers.losses.registry import loss_of
from workers.settings.npz_task import NpzTask
from workers.settings.python_task import PythonTask
from workers.settings.table_task import TableTask
from workers.tasks.npz.family import NpzFamily
from workers.tasks.python.family import PythonFamily
from workers.wire.errors import DataError

NUMBERS = body("x = rng.normal(size=(shots, 2))", "return (x, x), (x, x)")
CLASSES = body("x = np.arange(4.0)", "y = np.array([0, 1, 0, 1])", "return (x, y), (x, y)")
LABELS = body("y = rng.integers(0, 2, (shots, 3))", "return (y + 0.5, y), (y + 0.5, y)")
HALVES = body("x = rng.normal(size=(shots, 2))", "return (x, x * 0 + 0.5), (x, x * 0 + 0.5)")


@pytest.mark.parametrize(
    ("text", "settings", "loss", "outputs"),
    [
        (NUMBERS, {}, "mse", 2),
        (CLASSES, {}, "cross_entropy", 2),
        (CLASSES, {"loss": "mse"}, "mse", 1),
        (NUMBERS, {"loss": "gaussian_nll"}, "gaussian_nll", 4),
        (LABELS, {"loss": "binary_cross_entropy"}, "binary_cross_entropy", 3),
        (NUMBERS, {"loss": "own:thing", "outputs_per_target": 3}, "own:thing", 6),
        (CLASSES, {"loss": "own:thing"}, "own:thing", 2),
    ],
)
def test_a_loss_is_chosen_and_says_how_many_outputs_a_model_needs(
    write, text, settings, loss, outputs
):
    family = PythonFamily(PythonTask(**write(text, **settings)))
    assert (family.loss, family.num_outputs) == (loss, outputs)
    assert loss_of(family).targets in ("numbers", "classes", "labels")
    assert (loss_of(family).targets == "labels") == (text is LABELS)


def test_labels_reach_a_model_as_numbers(write):
    family = PythonFamily(PythonTask(**write(LABELS, loss="binary_cross_entropy")))
    from workers.wire.protocol import Draw

    episode = family.build(family.sample(Draw(0, "train", 0), 0, 2, 3, 2))
    assert episode.support_targets.dtype == np.float32
    assert set(np.unique(episode.support_targets)) <= {0.0, 1.0}


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        (NUMBERS, {"loss": "cross_entropy"}, "of float64, not of classes 0, 1, ..."),
        (
            HALVES,
            {"loss": "binary_cross_entropy"},
            "task 0 of the split 'train' has 0.5 in its support y, example 0; labels are 0 or 1",
        ),
        (
            NUMBERS,
            {"class_weights": [1, 2]},
            "task.class_weights = [1.0, 2.0] is for cross_entropy and binary_cross_entropy, not "
            "for task.loss = 'mse'",
        ),
        (
            CLASSES,
            {"class_weights": [1, 2, 3]},
            "task.class_weights has 3 weights, but tasks have 2 classes; give one for each",
        ),
        (
            LABELS,
            {"class_weights": [1], "loss": "binary_cross_entropy"},
            "task.class_weights has 1 weights, but tasks have 3 labels",
        ),
        (NUMBERS, {"label_smoothing": 0.1}, "task.label_smoothing = 0.1 is for cross_entropy"),
        (NUMBERS, {"outputs_per_target": 2}, "task.outputs_per_target = 2 is for a loss of your"),
        (CLASSES, {"outputs_per_target": 2, "loss": "a:b"}, "not for task.loss = 'a:b' of classes"),
        (NUMBERS, {"main_metric": "r2"}, "task.main_metric = 'r2' is not measured; there are loss"),
        (
            NUMBERS,
            {"main_metric": "r2", "metrics": {"r2": "a:r2"}},
            "say whether more of it is better, as task.metrics.r2 = 'max:a:r2', or less, as "
            "'min:a:r2'",
        ),
        (
            CLASSES,
            {"metrics": {"accuracy": "a:b"}},
            "task.metrics has 'accuracy', which task.loss = 'cross_entropy' measures already",
        ),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(write, text, settings, said):
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        PythonFamily(PythonTask(**write(text, **settings)))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"loss": "hubr"}, "should be 'auto', 'mse', 'gaussian_nll', 'cross_entropy', 'binary_c"),
        ({"loss": "ranking"}, "or 'module:function', such as 'my_losses:huber'"),
        ({"loss": "a:"}, "or 'module:function'"),
        ({"label_smoothing": 1.0}, "less than 1"),
        ({"label_smoothing": -0.1}, "greater than or equal to 0"),
        ({"class_weights": [1, 0]}, "numbers above 0, one for each class"),
        ({"class_weights": []}, "numbers above 0, one for each class"),
        ({"metrics": {"r2": "r2"}}, "r2 = 'r2' should be 'module:function', 'max:module:function'"),
        ({"metrics": {"r2": "more:a:b"}}, "should be 'module:function'"),
        ({"metrics": {"loss": "a:b"}}, "'loss' is no name for a metric"),
        ({"metrics": {"loss_of_steps": "a:b"}}, "'loss_of_steps' is no name for a metric"),
        ({"metrics": {"r-2": "a:b"}}, "'r-2' is no name for a metric"),
        ({"metrics": {"a_ci95": "a:b"}}, "'a_ci95' is no name for a metric"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, said):
    with pytest.raises(ValidationError) as refused:
        PythonTask(source="a:b", **settings)
    assert said in str(refused.value)


def test_modules_of_functions_are_those_that_a_job_needs():
    task = PythonTask(source="a:b", loss="c:d", metrics={"e": "max:f.g:h"}, imports=("i",))
    assert task.modules == ["i", "a", "c", "f.g"]
    assert NpzTask(path=".", loss="c:d").modules == ["c"]
    assert NpzTask(path=".", imports=("i",)).modules == []


def test_metrics_have_one_order_however_they_are_written():
    orders = [{"b": "a:b", "c": "max:a:c"}, {"c": "max:a:c", "b": "a:b"}]
    made = [NpzTask(path="a", metrics=metrics).model_dump_json() for metrics in orders]
    assert made[0] == made[1]


def test_a_folder_is_made_absolute_where_something_is_imported_from_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert NpzTask(path="a").folder == "."
    assert NpzTask(path="a", loss="own:thing").folder == str(tmp_path)
    assert NpzTask(path="a", metrics={"r2": "own:thing"}, folder="b").folder == str(tmp_path / "b")
    assert PythonTask(source="own:thing").folder == str(tmp_path)


def test_files_of_labels_are_checked(tmp_path):
    for number in range(3):
        y = np.random.default_rng(number).integers(0, 2, (12, 2))
        np.savez(tmp_path / f"{number}.npz", x=y + 0.5, y=y)
    task = NpzTask(path=str(tmp_path), loss="binary_cross_entropy", shots=2, queries=2)
    family = NpzFamily(task)
    assert (family.loss, family.num_outputs) == ("binary_cross_entropy", 2)
    np.savez(tmp_path / "3.npz", x=np.ones((12, 2)), y=np.full((12, 2), 2))
    with pytest.raises(DataError, match=r"3.npz: y has 2 in example 0; labels are 0 or 1"):
        NpzFamily(task)


def test_a_tables_numbers_are_no_classes(tmp_path):
    path = write_table(tmp_path / "a.csv", SENSORS)
    columns = {"path": str(path), "task_column": "sensor", "target_column": "ppm"}
    with pytest.raises(ValueError, match="is for classes, but the tasks have numbers to predict"):
        TableTask(**columns, loss="cross_entropy").open(lambda done, total: None)
    family = TableTask(**columns, loss="gaussian_nll").open(lambda done, total: None)
    assert family.num_outputs == 2
