"""Runs in environments that report a success: what is shown and written of it; runs on images."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from inline_command import metatrain

pytest.importorskip("gymnasium")

ENVIRONMENTS = Path(__file__).parents[2] / "fakes/tasks"
SMALL = """
[algorithm]
kind = "maml"
inner_lr = 1.0
first_order = true

[outer]
optimizer = "sgd"
lr = 0.01
meta_batch_size = 2
steps = 1

[workers]
count = 0
block_size = 2

[evaluation]
tasks = 3
validation_tasks = 2
inner_steps = [1]
inner_lr = []
every = 1

[runtime]
xla = false
"""


def trained(capsys, monkeypatch, tmp_path, *lines):
    file, out = tmp_path / "run.toml", tmp_path / "out"
    task = f"folder = '{ENVIRONMENTS}'\nhorizon = 3\nshots = 4\nqueries = 4"
    file.write_text("\n".join(["[task]", "kind = 'gym'", task, *lines, SMALL]))
    code, shown, errors = metatrain(capsys, monkeypatch, "train", file, "--out", out)
    assert code == 0, errors
    return shown, out


def test_a_success_rate_stands_beside_the_return(capsys, monkeypatch, tmp_path):
    lines = ["environment = 'small_gym:Lucky'", "vary.right.choice = [1.0, 2.0]"]
    model = "[model]\nkind = 'mlp'\nhidden = [4]"
    shown, out = trained(capsys, monkeypatch, tmp_path, *lines, model)
    result = json.loads((out / "evaluation.json").read_text())
    assert result["metric"] == "return"
    for row in result["per_step"]:
        assert row["success"] == pytest.approx(row["return"], abs=1e-6)
        assert {"success_ci95", "success_gain_ci95"} <= row.keys()
    assert result["protocol"]["success"].startswith("share of episodes in which")
    assert "success rate" in shown
    table = pq.read_table(io.BytesIO((out / "tasks.parquet").read_bytes()))
    np.testing.assert_allclose(table.column("success_after"), table.column("return_after"))
    assert "success rate" in (out / "report.html").read_text()
    row = json.loads((out / "metrics.jsonl").read_text().splitlines()[-1])
    assert row["validation_success"] == pytest.approx(row["validation_return"], abs=1e-6)


def test_images_are_seen_by_a_convolutional_policy(capsys, monkeypatch, tmp_path):
    lines = ["environment = 'small_gym:Camera'", "vary.inverted.choice = [0, 1]"]
    model = "[model]\nkind = 'categorical_cnn'\nfilters = [2]\nhidden = [4]"
    shown, out = trained(capsys, monkeypatch, tmp_path, *lines, model)
    assert "categorical_cnn" in shown
    assert "success" not in shown
    assert (out / "report.html").exists()
