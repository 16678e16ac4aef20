"""`metatrain adapt` shows sets or intervals, and flags tasks unlike those of the run."""

import json
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from inline_command import metatrain
from shown_protocol import protocol_in
from small_configs import ONE_BY_ONE, images, sinusoid
from small_images import members, write_folder
from small_learners import FIRST_ORDER, run_of

from orchestrator.adaptation import artefact
from orchestrator.learner import Learner

pytestmark = pytest.mark.usefixtures("shared_runners")

TASKS = "evaluation.validation_tasks=40"


@pytest.fixture
def config():
    return sinusoid(*ONE_BY_ONE, "evaluation.inner_steps=[3]", TASKS, "task.loss=gaussian_nll")


@pytest.fixture
def words(config, tmp_path):
    for name, x in (("support", np.linspace(-4, 4, 5)), ("query", np.linspace(-3, 90, 4))):
        rows = "\n".join(f"{value},{np.sin(value)}" for value in x.tolist())
        (tmp_path / f"{name}.csv").write_text(f"x,y\n{rows}\n")
    files = [f"--{name}={tmp_path / name}.csv" for name in ("support", "query")]
    return ["adapt", str(run_of(config)), *files]


def test_intervals_stand_beside_predictions(config, words, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("COLUMNS", "200")
    out = tmp_path / "p.parquet"
    code, shown, _ = metatrain(capsys, monkeypatch, *words, f"--out={out}", "--coverage=0.8")
    assert code == 0
    rows = pq.read_table(out).to_pylist()
    x, y = np.genfromtxt(tmp_path / "support.csv", delimiter=",", skip_header=1).T
    predictor = Learner.load(run_of(config)).adapt(x, y)
    queries = np.genfromtxt(tmp_path / "query.csv", delimiter=",", skip_header=1)[:, 0]
    expected = predictor.predict_interval(queries, 0.8)[:, 0]
    np.testing.assert_allclose([row["interval"] for row in rows], expected, rtol=1e-4, atol=1e-5)
    assert [row["unknown"] for row in rows] == predictor.is_unknown(queries).tolist()
    assert "interval, 80 %" in shown
    assert protocol_in(shown)["coverage asked"] == "0.8"
    assert "40 validation tasks" in protocol_in(shown)["trained coverage assumes"]


def test_sets_stand_beside_classes(tmp_path, image_zip, image_cache, capsys, monkeypatch):
    pictures = members(num_classes=3, examples=2)
    for part, end in (("support", "00.png"), ("query", "01.png")):
        own = {name: content for name, content in pictures.items() if name.endswith(end)}
        write_folder(tmp_path / part, own)
    run = str(run_of(images(image_zip, image_cache, *ONE_BY_ONE, FIRST_ORDER, TASKS)))
    files = [f"--{part}={tmp_path / part}" for part in ("support", "query")]
    words = ["adapt", run, *files, "--json"]
    code, shown, _ = metatrain(capsys, monkeypatch, *words, "--statistics=batch")
    assert code == 0
    for row in json.loads(shown)["predictions"]:
        assert set(row["set"]) <= set(row["classes"])
        assert isinstance(row["unknown"], bool)
        if row["set"]:
            assert row["prediction"] in row["set"]
    code, shown, told = metatrain(capsys, monkeypatch, *words)
    assert code == 0
    assert "set" not in json.loads(shown)["predictions"][0]
    assert "no sets, no intervals: sets are calibrated for queries that are normalized" in told


def test_a_coverage_that_cannot_be_given_is_refused(words, capsys, monkeypatch):
    for more, why in (
        (["--coverage=0.8", "--inner-steps=2"], "after 2 inner steps at the rate 0.05 are not"),
        (["--coverage=0.2"], "coverage = 0.2: give the share"),
    ):
        code, _, told = metatrain(capsys, monkeypatch, *words, *more)
        assert code == 2
        assert why in told


def test_a_run_of_before_has_none_and_says_so_where_it_is_asked(
    words, capsys, monkeypatch, tmp_path
):
    monkeypatch.setattr(artefact, "read_calibration", lambda table: None)
    code, shown, told = metatrain(capsys, monkeypatch, *words, "--json")
    assert code == 0
    assert "interval" not in json.loads(shown)["predictions"][0]
    assert "calibrat" not in told
    code, _, told = metatrain(capsys, monkeypatch, *words, "--coverage=0.8")
    assert code == 2
    assert "has no calibration, as runs and files of older versions" in told


@pytest.mark.parametrize(("factor", "unlike"), [(1, False), (1000, True)])
def test_a_task_unlike_the_validation_tasks_is_flagged(
    config, words, capsys, monkeypatch, tmp_path, factor, unlike
):
    source = artefact.load(str(run_of(config)))
    usual = [[1 + i / 10, 0.1 + i / 10] for i in range(120)]
    monkeypatch.setattr(artefact, "load", lambda run: replace(source, support_losses=usual))
    rows = [line.split(",") for line in (tmp_path / "support.csv").read_text().split()[1:]]
    text = "\n".join(f"{x},{factor * float(y)}" for x, y in rows)
    (tmp_path / "support.csv").write_text(f"x,y\n{text}\n")
    code, shown, told = metatrain(capsys, monkeypatch, *words, "--json")
    assert code == 0
    (row,) = json.loads(shown)["likeness"]
    assert row["unlike"] == unlike
    assert (row["p_value"] == 1 / 121) == unlike
    assert ("the task is unlike the run's: the loss of its support set is" in told) == unlike
    if unlike:
        assert "farther from the usual than of 120 validation tasks (p = 0.0083)" in told
