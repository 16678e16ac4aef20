"""Tasks from .npz files, from the command to an adapted model."""

import json
from pathlib import Path

import numpy as np
import pytest
from inline_command import metatrain
from small_npz import blobs, save

pytestmark = pytest.mark.usefixtures("shared_runners")
SMALL = """
[task]
kind = "npz"
path = "patients"
shots = 2
queries = 2
[model]
kind = "mlp"
hidden = [8]
[algorithm]
kind = "maml"
inner_lr = 0.05
[outer]
meta_batch_size = 7
steps = 2
[workers]
count = 0
block_size = 2
[evaluation]
tasks = 6
validation_tasks = 5
inner_steps = [1, 3]
[runtime]
xla = false
execution = "map"
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "patients", blobs())
    (tmp_path / "run.toml").write_text(SMALL)
    return tmp_path


@pytest.mark.slow
def test_classes_train_are_drawn_and_adapt(folder, capsys, monkeypatch):
    code, _, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 0, err
    tested = json.loads(Path("run/evaluation.json").read_text())
    assert tested["protocol"]["tasks_from"] == "the files of patients"
    assert tested["protocol"]["chance"] == 0.5
    assert Path("run/picture.png").stat().st_size > 1000
    code, out, err = metatrain(capsys, monkeypatch, "data", "run.toml")
    assert code == 0, err
    assert "9" in out
    x = np.array([[0.0, 0, 0], [3, 3, 3], [0.1, 0, 0], [3, 3, 3.1]])
    np.savez("support.npz", x=x, y=["ill", "well"] * 2)
    np.savez("query.npz", x=x + 0.1)
    words = ["adapt", "run", "--support", "support.npz", "--query", "query.npz"]
    code, out, err = metatrain(capsys, monkeypatch, *words)
    assert code == 0, err
    assert {"ill", "well"} & set(out.split())
    assert "example 3" in out


def test_a_job_takes_the_files_along(folder, capsys, monkeypatch):
    words = ["submit", "--dry-run", "--", "train", "run.toml"]
    code, out, err = metatrain(capsys, monkeypatch, *words)
    assert code == 0, err
    assert "patients/patient-0.npz" in out + err
    (folder / ".gitignore").write_text("patients/\n")
    code, _, err = metatrain(capsys, monkeypatch, *words)
    assert code == 2
    assert "task.path = patients is not shipped" in err


def test_what_is_wrong_ends_with_2_and_one_line(folder, capsys, monkeypatch):
    np.savez(folder / "patients" / "patient-3.npz", x=np.full((4, 3), np.nan), y=[0, 1, 0, 1])
    code, _, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 2
    assert "patient-3.npz: x[0, 0] is nan" in " ".join(err.split())
