"""A user's own loss and metrics, and losses of labels and of deviations, from end to end."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import small_losses
import small_python
from any_workers import Here, Workers
from inline_command import metatrain
from ray.train import RunConfig
from small_configs import sinusoid
from small_runs import ShuffledPool, in_process, sha256_after

from orchestrator.config.schema import to_toml
from orchestrator.evaluate import headline_metric, metric_names, validate
from orchestrator.learner import Learner
from orchestrator.loop import meta_train
from orchestrator.outer.update import OuterUpdate
from orchestrator.run import train as train_module
from orchestrator.trainer import MetaTrainer

pytestmark = pytest.mark.usefixtures("shared_runners")
HERE = Path(small_python.__file__).parent
SHORT = ["outer.steps=2", "evaluation.every=2"]
METRICS = "task.metrics={r2='max:small_losses:r2', mae='small_losses:absolute'}"


def python(name, loss, *overrides):
    return sinusoid(
        "task.kind=python",
        f"task.source={name}",
        f"task.folder={HERE}",
        f"task.loss={loss}",
        *overrides,
    )


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr(train_module, "_draw", lambda *given: None)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def trained(tmp_path, config, name="run"):
    place = RunConfig(storage_path=str(tmp_path), name=name)
    return MetaTrainer(config, run_config=place).fit()


def test_it_trains_is_evaluated_adapts_is_exported_and_sent(tmp_path, capsys, monkeypatch):
    config = python(
        "small_python:sines",
        "small_losses:huber",
        METRICS,
        "task.main_metric=r2",
        *SHORT,
    )
    text = to_toml(config).replace(str(HERE), ".")
    for name in ("small_python", "small_losses"):
        shutil.copy(HERE / f"{name}.py", tmp_path / f"beside_{name}.py")
        text = text.replace(f"{name}:", f"beside_{name}:")
    (tmp_path / "run.toml").write_text(text)
    code, _, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 0, err
    assert "looking at the loss and metrics" in err
    tested = json.loads(Path("run/evaluation.json").read_text())
    assert (tested["metric"], tested["sign"]) == ("r2", 1)
    assert tested["protocol"]["loss"] == "beside_small_losses:huber"
    assert tested["protocol"]["main_metric"] == "r2"
    assert {"loss", "r2", "mae"} <= tested["after"].keys()
    assert "validation r2" in err
    row = json.loads(Path("run/metrics.jsonl").read_text().splitlines()[-1])
    assert {"r2", "mae", "validation_r2", "validation_loss"} <= row.keys()
    assert metatrain(capsys, monkeypatch, "evaluate", "run", "--tasks", "4")[0] == 0
    assert metatrain(capsys, monkeypatch, "report", "run")[0] == 0
    Path("support.csv").write_text("x,y\n-1,0.5\n0,1\n1,0.2\n")
    Path("query.csv").write_text("x\n0.5\n2\n")
    files = ["--support", "support.csv", "--query", "query.csv"]
    code, shown, err = metatrain(capsys, monkeypatch, "adapt", "run", *files)
    assert code == 0, err
    code, _, err = metatrain(capsys, monkeypatch, "export", "run", "run.metatrain")
    assert code == 0, err
    assert "the run's loss or metrics are in beside_small_losses: wherever the file is used" in err
    code, again, err = metatrain(capsys, monkeypatch, "adapt", "run.metatrain", *files)
    assert code == 0, err
    assert again.partition("protocol")[0] == shown.partition("protocol")[0]
    sent = metatrain(capsys, monkeypatch, "submit", "--dry-run", "--", "train", "run.toml")
    assert sent[0] == 0, sent
    assert "beside_small_losses.py" in sent[1] + sent[2]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("task.loss=small_losses:no", "small_losses has no function 'no'; it has huber"),
        ("task.loss=hubr", "task.loss = 'hubr'"),
        ("task.loss=cross_entropy", "not of classes 0, 1, ..."),
        ("task.loss=binary_cross_entropy", "labels are 0 or 1"),
        ("task.label_smoothing=1.5", "task.label_smoothing must be less than 1, got 1.5"),
        ("task.class_weights=[1]", "task.class_weights = [1.0] is for cross_entropy"),
        ("task.main_metric=mae", "task.metrics.mae = 'max:small_losses:absolute', or less"),
        ("model.kind=keras", "model.source"),
    ],
)
def test_what_is_wrong_ends_with_2_and_one_line(tmp_path, capsys, monkeypatch, key, said):
    config = python("small_python:sines", "small_losses:huber", METRICS, *SHORT)
    (tmp_path / "run.toml").write_text(to_toml(config))
    code, _, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "w", "--set", key)
    assert code == 2, err
    assert said in " ".join(err.split()), err


def test_the_metric_that_decides_is_said_once(tmp_path):
    config = python("small_python:sines", "mse", METRICS, "task.main_metric=r2", *SHORT)
    launch = in_process(config)
    assert headline_metric(launch.family) == ("r2", 1)
    assert metric_names(launch.family) == ("r2", "loss", "mae")
    record = validate(config, launch.family, launch.pool, launch.initial_state().weights)
    best = max(candidate["score"] for candidate in record["candidates"])
    assert (record["metric"], record["sign"], record["score"]) == ("r2", 1, best)


def test_the_run_is_bound_to_the_code_of_its_loss(tmp_path, capsys, monkeypatch, no_pictures):
    text = Path(small_losses.__file__).read_text()
    (tmp_path / "changing_loss.py").write_text(text)
    shutil.copy(HERE / "small_python.py", tmp_path / "sines_beside.py")
    config = python("sines_beside:sines", "changing_loss:huber", f"task.folder={tmp_path}", *SHORT)
    (tmp_path / "run.toml").write_text(to_toml(config))
    assert metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")[0] == 0
    (tmp_path / "changing_loss.py").write_text(f"{text}# changed\n")
    del sys.modules["changing_loss"]  # as in another process
    for words, said in (
        (["train", "run.toml", "--out", "run", "--resume"], "same bits here: loss:"),
        (["evaluate", "run"], "the modules of task.loss or task.metrics have changed"),
    ):
        code, _, err = metatrain(capsys, monkeypatch, *words)
        assert code, words
        assert said in " ".join(err.split())
    with pytest.raises(ValueError, match=r"changing_loss:huber and of task.metrics have changed"):
        Learner.load(tmp_path / "run")


@pytest.mark.parametrize(
    "overrides",
    [
        ("small_python:sines", "small_losses:huber", METRICS),
        ("small_losses:Blobs", "small_losses:focal", "runtime.execution=vectorized"),
        ("small_losses:noisy", "gaussian_nll", "algorithm.kind=meta_sgd"),
    ],
)
def test_theta_is_the_same_with_any_number_of_workers(overrides):
    config = python(*overrides, "outer.steps=2", "outer.meta_batch_size=10")
    launch = in_process(config)
    expected = sha256_after(launch)
    assert sha256_after(launch, ShuffledPool(launch.pool)) == expected
    for count in (3, 2, 1):
        who = [Here(config.worker, launch.pool.runner)]
        assert sha256_after(launch, Workers(who, count)) == expected, count


def test_a_gradient_that_a_loss_defines_itself_holds_for_blocks_of_many_tasks():
    """The derivative of many tasks at once would drop it."""
    small = ["outer.steps=1", "outer.meta_batch_size=70", "outer.optimizer=sgd", "outer.lr=1.0"]
    moved = []
    for size in (10, 70):
        overrides = [*small, f"workers.block_size={size}", "runtime.execution=vectorized"]
        config = python("small_python:sines", "small_losses:halved", *overrides)
        launch = in_process(config)
        outer = OuterUpdate(config.outer, launch.initial_state())
        start = [np.array(array) for array in outer.state().theta]
        list(meta_train(config, launch.family, launch.pool, outer))
        moved.append([now - then for now, then in zip(outer.state().theta, start, strict=True)])
    for one, other in zip(*moved, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)


def test_labels_are_learned_and_predicted_with_probabilities(tmp_path, no_pictures):
    config = python(
        "small_losses:labels",
        "binary_cross_entropy",
        "task.class_weights=[1.0, 2.0]",
        "task.label_smoothing=0.1",
        *SHORT,
    )
    result = trained(tmp_path, config)
    protocol = result.metrics["test_protocol"]
    assert (protocol["class_weights"], protocol["label_smoothing"]) == ("1, 2", 0.1)
    assert protocol["labels"] == 2
    assert {"test_accuracy", "test_exact", "test_loss"} <= result.metrics.keys()
    x = np.random.default_rng(0).normal(size=(12, 2))
    predictor = Learner.load(tmp_path / "run").adapt(x, x > 0)
    probabilities = predictor.predict_proba(x)
    assert probabilities.shape == (12, 2)
    np.testing.assert_array_equal(predictor.predict(x), probabilities > 0.5)
    assert predictor.by_inner_step(x).shape[1:] == (12, 2)
    with pytest.raises(ValueError, match=r"targets.0. has 0.5; labels are 0 or 1"):
        Learner.load(tmp_path / "run").adapt(x, np.full((12, 2), 0.5))
    with pytest.raises(ValueError, match="predicts no deviations"):
        predictor.predict_deviation(x)


def test_a_likelihood_predicts_values_with_deviations(tmp_path, no_pictures):
    result = trained(tmp_path, python("small_losses:noisy", "gaussian_nll", *SHORT))
    assert {"test_loss", "test_mse"} <= result.metrics.keys()
    learner = Learner.load(tmp_path / "run")
    predictor = learner.adapt([[0.0], [1.0], [2.0]], [0.1, 1.0, 1.8])
    x = [[0.5], [1.5]]
    assert predictor.predict(x).shape == predictor.predict_deviation(x).shape == (2, 1)
    assert (predictor.predict_deviation(x) > 0).all()
    again = pickle.loads(pickle.dumps(predictor))
    np.testing.assert_array_equal(again.predict_deviation(x), predictor.predict_deviation(x))
    with pytest.raises(ValueError, match=r"finite values .n, 1. are needed"):
        learner.adapt([[0.0]], [[0.1, 0.2]])
    with pytest.raises(ValueError, match="values have no probabilities"):
        predictor.predict_proba(x)


def test_a_saved_model_gives_means_and_log_deviations_in_the_users_units(tmp_path, no_pictures):
    import keras
    from small_tables import SENSORS, write_table

    write_table(tmp_path / "a.csv", SENSORS)
    config = sinusoid(
        "task.kind=table",
        f"task.path={tmp_path / 'a.csv'}",
        "task.task_column=sensor",
        "task.target_column=ppm",
        "task.shots=2",
        "task.queries=2",
        "task.loss=gaussian_nll",
        *SHORT,
    )
    trained(tmp_path, config)
    learner = Learner.load(tmp_path / "run")
    x = np.random.default_rng(0).normal(size=(6, *learner._family.input_shape))
    predictor = learner.adapt(x, 100 + 10 * x[:, 0])
    predictor.save(tmp_path / "own.keras")
    outputs = keras.saving.load_model(tmp_path / "own.keras", compile=False)(x).numpy()
    np.testing.assert_allclose(outputs[:, :1], predictor.predict(x), rtol=1e-4)
    np.testing.assert_allclose(np.exp(outputs[:, 1:]), predictor.predict_deviation(x), rtol=1e-4)


def test_sinusoids_take_a_loss_and_metrics_too(tmp_path):
    overrides = ["task.loss=gaussian_nll", METRICS, f"task.folder={HERE}", "task.main_metric=mse"]
    result = trained(tmp_path, sinusoid(*overrides, *SHORT))
    assert {"test_loss", "test_mse", "test_r2"} <= result.metrics.keys()
    assert Path(result.path, "picture.png").stat().st_size > 1000
    predictor = Learner.load(result.path).adapt([0.0, 1.0], [0.0, 1.0])
    assert predictor.predict_deviation([2.0]).shape == (1, 1)
    assert not {"task.loss", "task.metrics", "task.main_metric"} & sinusoid().bits().keys()


@pytest.mark.slow
def test_several_outputs_of_a_users_loss_are_shown_beside_the_prediction(
    tmp_path, capsys, monkeypatch
):
    import pyarrow.parquet as pq

    three = ["task.outputs_per_target=3", *SHORT]
    trained(tmp_path, python("small_losses:noisy", "small_losses:quantiles", *three))
    Path("support.csv").write_text("x,y\n1,0.5\n0,1\n1,0.2\n")
    Path("query.csv").write_text("x,y\n0.5,0\n2,1\n")
    files = ["--support", "support.csv", "--query", "query.csv", "--out", "out.parquet"]
    code, _, err = metatrain(capsys, monkeypatch, "adapt", "run", *files)
    assert code == 0, err
    for row in pq.read_table("out.parquet").to_pylist():
        assert len(row["outputs"]) == 3
        assert row["outputs"][0] == pytest.approx(row["prediction"])
