"""Predictions for a user's own queries are scored as the run's evaluation scores its tasks."""

import json
from pathlib import Path

import numpy as np
import pytest
import small_losses
import small_signals
from inline_command import metatrain
from small_artefacts import as_they_are
from small_configs import ONE_BY_ONE, SINUSOID, changed, sinusoid
from small_learners import episode_of, run_of, scores_in_evaluation
from small_tables import SENSORS, write_table

from orchestrator.adaptation import artefact
from orchestrator.adaptation.predictions import Predictions
from orchestrator.adaptation.user_tasks import UserTask
from orchestrator.learner import Learner
from workers.losses.registry import make_loss
from workers.losses.scoring import Scorer
from workers.settings.losses.loss_settings import LossSettings

pytestmark = pytest.mark.usefixtures("shared_runners")
HERE = str(Path(small_losses.__file__).parent)
METRICS = "task.metrics={r2='max:small_losses:r2', mae='min:small_losses:absolute'}"
SHORT = ["outer.steps=2", *ONE_BY_ONE]


def python(source, loss, *overrides):
    kind = ["task.kind=python", f"task.source={source}", f"task.folder={HERE}"]
    return sinusoid(*kind, f"task.loss={loss}", *SHORT, *overrides)


CASES = {
    "numbers": (["small_python:sines", "mse"], {"loss", "mse"}),
    "a metric of one's own decides": (
        ["small_python:sines", "mse", METRICS, "task.main_metric=r2"],
        {"r2", "loss", "mae", "mse"},
    ),
    "a loss of one's own": (
        ["small_python:sines", "small_losses:huber", METRICS],
        {"loss", "r2", "mae"},
    ),
    "quantiles": (
        ["small_losses:noisy", "small_losses:quantiles", "task.outputs_per_target=3"],
        {"loss"},
    ),
    "a likelihood": (["small_losses:noisy", "gaussian_nll"], {"loss", "mse"}),
    "weighted labels": (
        ["small_losses:labels", "binary_cross_entropy", "task.class_weights=[1.0, 2.0]"],
        {"accuracy", "exact", "loss"},
    ),
    "smoothed classes": (
        ["small_losses:Blobs", "cross_entropy", "task.label_smoothing=0.2"],
        {"accuracy", "loss"},
    ),
    "a loss of classes": (["small_losses:Blobs", "small_losses:focal"], {"accuracy", "loss"}),
}


@pytest.mark.quick("a loss of classes", "a loss of one's own", "numbers")
@pytest.mark.parametrize(("settings", "names"), CASES.values(), ids=CASES)
def test_a_task_of_the_run_has_the_scores_of_its_evaluation(settings, names):
    config = python(*settings)
    support_x, support_y, query_x, query_y = episode_of(config)
    source = artefact.load(str(run_of(config)))
    expected = scores_in_evaluation(config, source.state.weights, source.recipe)
    learner = Learner.load(run_of(config))
    scores = learner.adapt(support_x, support_y).evaluate(query_x, query_y)
    assert scores.keys() == names
    assert next(iter(scores)) == learner.loss.main.name
    for name in expected.keys() & names:
        assert scores[name] == pytest.approx(expected[name][-1], rel=1e-4, abs=1e-5), name
    assert expected.keys() <= names


def test_the_command_scores_by_the_runs_metrics_from_a_file_too(tmp_path, capsys, monkeypatch):
    config = python("small_python:sines", "small_losses:huber", METRICS)
    monkeypatch.chdir(HERE)  # where an exported file has its loss imported from
    learner = Learner.load(run_of(config))
    x = np.linspace(-2, 2, 6)
    predictor = learner.adapt(x[::2], np.sin(x[::2]))
    for name, rows in (("support", x[::2]), ("query", x[1::2])):
        lines = [f"{value},{np.sin(value)}" for value in rows]
        (tmp_path / f"{name}.csv").write_text("\n".join(["x,y", *lines]))
    file = tmp_path / "run.metatrain"
    file.write_bytes(artefact.as_bytes(artefact.load(str(run_of(config)))))
    files = [f"--{name}={tmp_path / name}.csv" for name in ("support", "query")]
    for source in (run_of(config), file):
        code, out, err = metatrain(capsys, monkeypatch, "adapt", source, *files, "--json")
        assert code == 0, err
        scores = json.loads(out)["scores"]
        expected = predictor.evaluate(x[1::2], np.sin(x[1::2]))
        assert scores.keys() == {"loss", "r2", "mae"} == expected.keys()
        for name, by_step in scores.items():
            assert by_step[-1]["mean"] == pytest.approx(expected[name], rel=1e-3, abs=1e-4)
        assert "loss: " in err
        assert "r2: " in err


@pytest.mark.parametrize("scaling", ["per_task", "training"])
def test_a_table_is_scored_in_the_runs_units_and_its_error_in_its_own(tmp_path, scaling):
    write_table(tmp_path / "a.csv", SENSORS)
    config = sinusoid(
        "task.kind=table",
        f"task.path={tmp_path / 'a.csv'}",
        "task.task_column=sensor",
        "task.target_column=ppm",
        "task.shots=2",
        "task.queries=2",
        f"task.target_scaling={scaling}",
        *SHORT,
    )
    learner = Learner.load(run_of(config))
    x = np.random.default_rng(0).normal(size=(8, *learner._family.input_shape))
    y = 100 + 10 * x[:, 0]
    predictor = learner.adapt(x[::2], y[::2])
    predictor.predict(x[1::2])
    scores = predictor.evaluate(x[1::2], y[1::2])
    unit = y[::2].std()
    if scaling == "training":
        unit = learner._artefact.examples.preparation["target"]["sd"][0]
    assert unit > 2
    assert scores["mse"] == pytest.approx(scores["loss"] * unit**2, rel=1e-4)
    assert scores["mse"] > 2 * scores["loss"]


def test_series_are_scored_in_units_of_their_support(tmp_path):
    path = small_signals.npz(tmp_path / "series.npz", x=small_signals.walks())
    table = SINUSOID | {
        "task": {"kind": "signal", "target": "forecast", "path": str(path), "window": 8, "hop": 2}
        | {"horizon": 2, "shots": 3, "queries": 3, "scaling": "example"},
    }
    learner = Learner.load(run_of(changed(table, *SHORT)))
    x = np.random.default_rng(0).normal(size=(6, 8)).cumsum(axis=1)
    y = x[:, -2:]
    for factor in (1.0, 1e4):
        predictor = learner.adapt(factor * x[::2], factor * y[::2])
        scores = predictor.evaluate(factor * x[1::2], factor * y[1::2])
        unit = factor * x[::2].std()
        assert scores["mse"] == pytest.approx(scores["loss"] * unit**2, rel=1e-3)


def test_exact_is_the_share_of_examples_and_not_of_labels():
    logits = np.array([[[-1.0, 1.0], [0.5, 0.5], [1.0, -1.0]]], np.float32)
    labels = np.array([[0, 1], [0, 1], [0, 1]], np.float32)
    scores = Scorer(make_loss("binary_cross_entropy")).score(logits, labels)
    assert scores["accuracy"] == pytest.approx([0.5])
    assert scores["exact"] == pytest.approx([1 / 3])


def test_outputs_of_a_shape_are_scored_the_same_the_second_time():
    settings = LossSettings(
        targets="numbers", metrics={"r2": "max:small_losses:r2"}, folder=HERE, main_metric="r2"
    )
    for name in ("mse", "small_losses:huber"):
        scorer = Scorer(make_loss(name, settings))
        outputs = np.random.default_rng(0).normal(size=(2, 4, 7, 1))
        targets = np.random.default_rng(1).normal(size=(7, 1))
        first, second = (scorer.score(outputs[i], targets) for i in (0, 1))
        assert list(first) == ["r2", "loss"]
        for scores, given in ((first, outputs[0]), (second, outputs[1])):
            errors = np.square(given - targets).sum((-1, -2))
            expected = 1 - errors / np.square(targets - targets.mean()).sum()
            np.testing.assert_allclose(scores["r2"], expected, rtol=1e-5)
        anew = Scorer(make_loss(name, settings)).score(outputs[1], targets)
        np.testing.assert_allclose(second["loss"], anew["loss"], rtol=1e-6)


def of_two_classes(name, metrics):
    """Scores of a task of two classes by a model of three outputs, the largest of no class."""
    settings = LossSettings(targets="classes", metrics=metrics, folder=HERE)
    inputs, classes = np.zeros((2, 1), np.float32), np.array([0, 1], np.int32)
    task = UserTask("", ["a", "b"], inputs, classes, inputs, classes, np.arange(2))
    outputs = np.array([[[2, 1, 9], [2, 1, 9]]], np.float32)
    return Predictions.of(task, outputs, as_they_are, Scorer(make_loss(name, settings))).scores


def test_classes_that_a_task_does_not_have_are_left_out_of_named_scores():
    scores = of_two_classes("cross_entropy", {})
    assert scores["accuracy"] == pytest.approx([0.5])
    assert scores["loss"] == pytest.approx([(np.log1p(np.exp(-1)) + np.log1p(np.exp(1))) / 2])


def test_functions_of_ones_own_get_all_outputs_as_in_training(tmp_path):
    scores = of_two_classes("small_losses:focal", {})
    assert scores["accuracy"] == pytest.approx([0.5])
    logs = np.array([2, 1]) - np.log(np.exp([2, 1, 9]).sum())
    assert scores["loss"] == pytest.approx([-np.mean((1 - np.exp(logs)) ** 2 * logs)], rel=1e-5)


def test_a_metric_that_raises_ends_with_one_line_that_names_it():
    with pytest.raises(ValueError, match=r"^task.metrics.r2 = 'max:small_losses:r2' raised ") as e:
        of_two_classes("cross_entropy", {"r2": "max:small_losses:r2"})
    assert "\n" not in str(e.value)
    assert "small_losses.py, line" in str(e.value)


def test_answers_of_another_class_or_another_number_are_refused():
    config = python("small_losses:Blobs", "cross_entropy")
    x, y, queries, _ = episode_of(config)
    predictor = Learner.load(run_of(config)).adapt(x, y)
    with pytest.raises(ValueError, match=r"targets\[1\] is of class '7', which has no example"):
        predictor.evaluate(queries[:2], [0, 7])
    with pytest.raises(ValueError, match="2 inputs, but 1 targets; give as many"):
        predictor.evaluate(queries[:2], [0])
    with pytest.raises(ValueError, match="2 inputs without targets"):
        predictor.evaluate(queries[:2], None)
