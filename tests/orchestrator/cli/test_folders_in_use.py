"""Commands on a folder or a file that another process is writing: refused at once, untouched."""

import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from claiming_process import another_process
from shell_commands import snapshot
from small_configs import sinusoid
from small_learners import run_of

from orchestrator.cli import app
from orchestrator.config.schema import to_toml
from orchestrator.storage.claim import FileLock
from orchestrator.storage.storage import lock_of
from orchestrator.storage.targets import open_folder

LATER = (
    "orchestrator.run.session.find_state",
    "orchestrator.run.session.open_family",
    "orchestrator.sweep.tune.record.check",
    "orchestrator.sweep.tune.open_family",
    "orchestrator.adaptation.artefact.load",
    "orchestrator.adaptation.artefact.of_run",
    "orchestrator.storage.checkpoint.best",
)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A run in `a`, and configurations; the current folder."""
    shutil.copytree(run_of(sinusoid()), tmp_path / "a")
    (tmp_path / "small.toml").write_text(to_toml(sinusoid()))
    (tmp_path / "sweep.toml").write_text(
        'base = "small.toml"\n[space]\n"algorithm.inner_lr" = {choice = [0.05]}\n'
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(monkeypatch, capsys, words):
    """Run a command in this process that exits with 2, and return its one line."""
    for name in LATER:
        monkeypatch.setattr(name, fail)
    monkeypatch.setattr(sys, "argv", ["metatrain", *words])
    with pytest.raises(SystemExit) as end:
        app.main()
    assert end.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    return line


def fail(*arguments, **options):
    raise AssertionError("it has looked before it had the folder to itself")


@pytest.mark.parametrize(
    "words",
    [
        ["train", "small.toml", "--out", "a"],
        ["train", "small.toml", "--out", "a", "--resume"],
        ["train", "a/config.toml", "--resume"],
        ["tune", "sweep.toml", "--out", "a"],
        ["tune", "sweep.toml", "--out", "a", "--resume"],
    ],
    ids=" ".join,
)
def test_a_folder_that_is_being_written_is_not_even_looked_at(folder, monkeypatch, capsys, words):
    with another_process(folder / "a") as first:
        before = snapshot(folder)
        line = refusal(monkeypatch, capsys, words)
        assert snapshot(folder) == before
    host = os.uname().nodename
    assert line.startswith(f"metatrain: a is in use by process {first.pid} on {host}, since ")


@pytest.mark.parametrize(
    ("words", "file"),
    [
        (["export", "a", "x.metatrain"], "x.metatrain"),
        (["evaluate", "a", "--out", "x.json"], "x.json"),
        (["adapt", "a", "--support", "s.csv", "--query", "s.csv", "--out", "x.parquet"], None),
        (["adapt", "a", "--support", "s.csv", "--query", "s.csv", "--save-model", "x.keras"], None),
        (["report", "a"], "a/report.html"),
        (["report", "a", "--out", "x.html"], "x.html"),
    ],
    ids=["export", "evaluate", "adapt --out", "adapt --save-model", "report", "report --out"],
)
def test_a_file_that_is_being_written_is_left_to_who_is_first(
    folder, monkeypatch, capsys, words, file
):
    place = folder / (file or words[-1])
    lock = FileLock(place.with_name(lock_of(place.name)))
    try:
        before = snapshot(folder)
        line = refusal(monkeypatch, capsys, words)
        assert snapshot(folder) == before
    finally:
        lock.release()
    assert f"is being written by process {os.getpid()} on {os.uname().nodename}, since " in line
    assert Path(file or words[-1]).name in line


def test_without_out_the_next_folder_is_taken_where_one_is_in_use(folder, monkeypatch):
    opened = []

    def train(config, notes, location, *rest):
        opened.append(location)
        with open_folder(location):
            assert len(opened) == 2
            return SimpleNamespace(model_dump=dict)

    with another_process(folder / "runs" / "small"):
        monkeypatch.setattr("orchestrator.run.train.train", train)
        monkeypatch.setattr("orchestrator.run.locations._first_free", lambda name: next(places))
        places = iter(["runs/small", "runs/small-2"])
        monkeypatch.setattr(sys, "argv", ["metatrain", "train", "small.toml"])
        app.main()
    assert opened == ["runs/small", "runs/small-2"]


def test_a_refusal_leaves_no_folder_that_it_has_made(folder, monkeypatch, capsys):
    before = sorted(path.name for path in folder.iterdir())
    monkeypatch.setattr(sys, "argv", ["metatrain", "train", "small.toml", "--set", "outer.steps=0"])
    with pytest.raises(SystemExit):
        app.main()
    words = "metatrain tune sweep.toml --out new/sweep --resume"
    monkeypatch.setattr(sys, "argv", words.split())
    with pytest.raises(SystemExit):
        app.main()
    assert "new/sweep holds no sweep" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == before


def test_what_stands_in_a_lock_file_tells_who_it_was(tmp_path):
    lock = FileLock(tmp_path / "lock")
    owner = json.loads((tmp_path / "lock").read_text())
    assert (owner["host"], owner["pid"]) == (os.uname().nodename, os.getpid())
    lock.release()
    assert list(tmp_path.iterdir()) == []
