"""Runs on signals and on series, from the file to predictions for one's own."""

import copy
import json
import re

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
import small_configs
import warm_commands
from inline_command import metatrain
from shell_commands import environment, theta_sha256
from small_configs import ONE_BY_ONE, SINUSOID
from small_learners import episode_of, outputs_in_evaluation, run_of
from small_runs import ShuffledPool, TwicePool, in_process, sha256_after
from small_signals import class_folders, npz, sines, walks

from orchestrator.adaptation import artefact
from orchestrator.adaptation.answers import probabilities
from orchestrator.adaptation.readers.reader import Columns
from orchestrator.cli import data_command
from orchestrator.cli.adapt import adapt_command
from orchestrator.cli.adapt.adapt_request import AdaptRequest
from orchestrator.config.schema import to_toml
from orchestrator.learner import Learner
from orchestrator.outer.blocks import held_out_blocks
from workers.wire.protocol import Recipe

pytestmark = pytest.mark.usefixtures("shared_runners")

X, Y = sines(classes=9, recordings=4, length=40)
CLASSES = {"kind": "signal", "window": 16, "hop": 8, "ways": 3, "shots": 2, "queries": 2}
SERIES = {
    "kind": "signal",
    "target": "forecast",
    "window": 8,
    "hop": 2,
    "horizon": 2,
    "shots": 3,
    "queries": 3,
}
CONV1D = {"kind": "conv1d", "channels": 4, "blocks": 2, "kernel": 3}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signals")
    return {
        "classes": class_folders(folder / "data", X, Y),
        "series": npz(folder / "series.npz", x=walks()),
    }


def config_of(sources, kind, *overrides):
    table = copy.deepcopy(SINUSOID)
    task = CLASSES if kind == "classes" else SERIES
    table["task"] = {**task, "path": str(sources[kind])}
    table["model"] = CONV1D if kind == "classes" else {"kind": "mlp", "hidden": [8]}
    few = ["outer.steps=4", *ONE_BY_ONE]
    return small_configs.changed(table, *few, *overrides)


@pytest.mark.parametrize("kind", ["classes", "series"])
def test_theta_is_the_same_whoever_runs_which_block(sources, kind):
    config = config_of(sources, kind, "workers.block_size=2", "outer.meta_batch_size=5")
    launch = in_process(config)
    found = {
        sha256_after(launch, pool)
        for pool in (launch.pool, ShuffledPool(launch.pool), TwicePool(launch.pool))
    }
    assert len(found) == 1


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_theta_is_the_same_on_actors_and_in_this_process(sources, tmp_path, shared_ray, workers):
    config = config_of(sources, "classes", "outer.meta_batch_size=4")
    (tmp_path / "t.toml").write_text(to_toml(config))
    done = warm_commands.run(
        tmp_path,
        *("train", "t.toml", "--workers", str(workers), "--out", "run"),
        environment=environment() | {"RAY_ADDRESS": shared_ray},
        draws=False,
    )
    assert done.returncode == 0, done.stderr
    assert theta_sha256(done.stdout) == sha256_after(in_process(config))


LEARNED = {
    "classes": ("classes", ["model.normalization=layer"]),
    "batches": ("classes", []),
    "spectra": ("classes", ["model.spectrogram={window=8,hop=2}"]),
    "series": ("series", []),
    "series, by support": ("series", ["task.scaling=example"]),
}


def raw_task(config):
    """Windows and targets of the first test task in the source's own units."""
    family = in_process(config).family
    specs = held_out_blocks(config, family, "test", 1, Recipe(0.1, 1))[0].specs
    windows, values = family._data.windows, family._data.recordings.values
    chosen = [np.ravel(specs[f"{name}_examples"][0]) for name in ("support", "query")]
    raw = [windows.take(values, each) for each in chosen]
    if hasattr(family, "_targets"):
        return raw[0], family._targets[chosen[0]], raw[1]
    return raw[0], episode_of(config)[1], raw[1]


@pytest.mark.quick("series, by support", "series")
@pytest.mark.parametrize("case", LEARNED)
def test_a_learner_answers_as_the_evaluation_does(sources, case):
    kind, overrides = LEARNED[case]
    config = config_of(sources, kind, *overrides)
    source = run_of(config)
    learner = Learner.load(source, statistics="batch" if case in ("batches", "spectra") else None)
    support, targets, query = raw_task(config)
    predictor = learner.adapt(support, targets)
    run = artefact.load(str(source))
    expected = outputs_in_evaluation(config, run.state.weights, run.recipe)
    if kind == "classes":
        np.testing.assert_allclose(
            predictor.by_inner_step(query), probabilities(expected, 3), atol=1e-4
        )
        return
    found = predictor.by_inner_step(query)
    scale = found.std() / expected.std()
    shift = found.mean() - scale * expected.mean()
    np.testing.assert_allclose(found, scale * expected + shift, rtol=1e-4, atol=1e-3)
    assert 90 < found.mean() < 110  # in the series' own units


@pytest.mark.parametrize("case", LEARNED)
def test_signals_can_be_predicted_and_scored_in_turn(sources, case):
    kind, overrides = LEARNED[case]
    config = config_of(sources, kind, *overrides)
    support, targets, _ = raw_task(config)
    predictor = Learner.load(run_of(config)).adapt(support, targets)
    before = predictor.predict(support)
    scores = predictor.evaluate(support, targets)
    assert np.isfinite(list(scores.values())).all()
    np.testing.assert_array_equal(predictor.predict(support), before)


@pytest.mark.parametrize("case", ["classes", "series", "series, by support"])
def test_a_saved_model_takes_signals_as_they_are(sources, case, tmp_path):
    kind, overrides = LEARNED[case]
    config = config_of(sources, kind, *overrides)
    support, targets, query = raw_task(config)
    exported = artefact.as_bytes(artefact.load(str(run_of(config))))
    (tmp_path / "run.metatrain").write_bytes(exported)
    predictor = Learner.load(tmp_path / "run.metatrain").adapt(support, targets)
    predictor.save(tmp_path / "m.keras")
    answers = np.asarray(keras.models.load_model(tmp_path / "m.keras")(query))
    if kind == "classes":
        found = probabilities(answers, 3)
        np.testing.assert_allclose(found, predictor.predict_proba(query), atol=1e-4)
        flat = np.full((1, *query.shape[1:]), 3.0)  # a constant signal
        assert np.isfinite(keras.models.load_model(tmp_path / "m.keras")(flat)).all()
    else:
        np.testing.assert_allclose(answers, predictor.predict(query), atol=1e-3)


def test_ones_own_signals_are_told_apart(sources, tmp_path, capsys):
    few = np.flatnonzero(np.isin(Y, ["c0", "c4", "c8"]))
    support, query = few[np.arange(12) % 4 < 2], few[np.arange(12) % 4 >= 2]
    adapt_command.adapt_run(
        AdaptRequest(
            source=str(run_of(config_of(sources, "classes"))),
            support=str(class_folders(tmp_path / "support", X[support], Y[support])),
            query=str(class_folders(tmp_path / "query", X[query], Y[query])),
            columns=Columns(),
            out=tmp_path / "p.parquet",
            save_model=tmp_path / "m.keras",
        )
    )
    shown = capsys.readouterr().out
    assert "c0/00.npy, samples 0 to 15" in re.sub(r"\s+", " ", shown.replace("│", " "))
    assert "accuracy:" in shown
    assert (tmp_path / "m.keras").exists()


def test_ones_own_series_is_forecast(sources, tmp_path, capsys):
    x = walks(series=1, seed=5)
    adapt_command.adapt_run(
        AdaptRequest(
            source=str(run_of(config_of(sources, "series"))),
            support=str(npz(tmp_path / "a.npz", x=x[:, :52])),
            query=str(npz(tmp_path / "b.npz", x=x[:, 52:])),
            columns=Columns(),
            out=tmp_path / "p.parquet",
        )
    )
    row = pq.read_table(tmp_path / "p.parquet").to_pylist()[0]
    assert len(row["prediction"]) == 2
    assert all(60 < value < 140 for value in row["prediction"])
    assert "target" not in row


def test_train_evaluate_and_the_page_as_they_are_typed(sources, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "s.toml").write_text(to_toml(config_of(sources, "series")))
    code, out, err = metatrain(capsys, monkeypatch, "train", "s.toml", "--out", "run")
    assert code == 0, err
    assert "the next 2 samples of channel 0" in out
    assert "ways " not in out
    code, out, err = metatrain(capsys, monkeypatch, "evaluate", "run", "--out", "e.json")
    assert code == 0, err
    assert json.loads((tmp_path / "e.json").read_text())
    svg = (tmp_path / "run/pictures/task-1.svg").read_text()
    assert {"truth", "before", "window"} <= set(re.findall(r">([a-z]+)<", svg))
    ticks = [float(t.replace("−", "-")) for t in re.findall(r">(−?\d+)<", svg)]
    assert any(80 < tick < 120 for tick in ticks)  # in the series' own units


def test_data_tells_what_the_source_holds(sources, tmp_path, capsys):
    (tmp_path / "t.toml").write_text(to_toml(config_of(sources, "classes")))
    assert data_command.show_source(str(tmp_path / "t.toml"), [])
    shown = capsys.readouterr().out
    assert "task.kind = signal" in shown
    assert re.search(r"signals\s.*36", shown)
    assert re.search(r"recordings per class\s.*4 to 4", shown)


def test_what_is_wrong_is_one_line_and_exit_code_2(sources, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = X.copy()
    x[3, 5] = np.nan
    npz(tmp_path / "a.npz", x=x, y=Y)
    for words, message in (
        (["task.path=a.npz"], "a.npz: row 3: sample 5 is nan; finite numbers"),
        (["task.path=nowhere"], "task.path = 'nowhere': there is nothing at"),
        ([f"task.path={sources['classes']}", "task.window=99"], "task.window = 99, but c0/00.npy"),
        (["task.path=a.npz", "task.hop=3"], "task.hop = 3 is for windows; set task.window"),
    ):
        sets = [part for word in words for part in ("--set", word)]
        code, _, err = metatrain(capsys, monkeypatch, "train", "signals", *sets, "--out", "run")
        assert code == 2
        assert message in err
        assert "Traceback" not in err
    assert not (tmp_path / "run").exists()
