"""A disk that is full at each write of each command: one line, exit 1, and nothing half-written."""

import contextlib
import re
import shutil
import sys
from base64 import b64decode
from pathlib import Path

import numpy as np
import pytest
from faulty_files import FaultyFiles, no_space
from pyarrow import fs
from small_configs import ONE_BY_ONE, sinusoid
from small_learners import run_of
from small_runs import in_process

import orchestrator.run.launch
from orchestrator.cli import app
from orchestrator.config.schema import to_toml
from orchestrator.reporting import drawing
from orchestrator.sweep import ray_tuner, trial_table
from orchestrator.sweep.trial import Trial
from workers.export import plain_keras

pytestmark = pytest.mark.usefixtures("shared_runners")

_ONE_PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR4nGNgYGBgAAAABQABpfZFQAAAAABJRU5ErkJggg=="
)
CONFIG = sinusoid(
    *ONE_BY_ONE,
    *("outer.steps=2", "evaluation.every=2", "evaluation.tasks=2", "checkpoint.every=2"),
)
#: Pictures are written; what they show is looked at elsewhere.
DRAWN = {"png": b64decode(_ONE_PIXEL), "svg": b"<svg ></svg>"}
# Files whose failure is a note, because the run continues without them.
NOTES = ("history.json",)


def table(tasks):
    rows = [f"{task},{x},{np.sin(x)}" for task in tasks for x in (-2.0, 0.5, 1.0, 3.0)]
    return "\n".join(["wave,x,y", *rows]) + "\n"


@pytest.fixture
def disk(tmp_path, monkeypatch):
    """A filesystem that can be made to fail, for all that is written in `tmp_path`."""
    run = run_of(CONFIG)
    files = FaultyFiles(fs.LocalFileSystem())
    monkeypatch.setattr(fs, "LocalFileSystem", files.filesystem)
    monkeypatch.setattr(drawing, "_saved", lambda figure, format, **how: DRAWN[format])
    monkeypatch.setattr(
        orchestrator.run.launch, "launch", lambda config, *_, **__: in_process(config)
    )
    for name in ("a", "b"):
        shutil.copytree(run, tmp_path / name)
    (tmp_path / "one.csv").write_text(table(["w"]))
    (tmp_path / "two.csv").write_text(table(["v", "w"]))
    (tmp_path / "small.toml").write_text(to_toml(CONFIG))
    (tmp_path / "sweep.toml").write_text(
        'base = "small.toml"\nsamples = 1\n[space]\n"algorithm.inner_lr" = {choice = [0.05]}\n'
    )
    monkeypatch.chdir(tmp_path)
    return files


def metatrain(monkeypatch, words):
    """The command in this process: its exit code."""
    monkeypatch.setattr(sys, "argv", ["metatrain", *words])
    try:
        app.main()
    except SystemExit as end:
        return end.code or 0
    return 0


def content(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def writes_of(files):
    return [Path(path).name for kind, path in files.done if kind == "torn"]


def full_from(number):
    """A disk that is full from the write of that number on, half-way through it."""
    seen = iter(range(10**9))

    def fault(kind, path):
        if kind == "torn" and next(seen) >= number:
            raise no_space()

    return fault


ADAPT = ["adapt", "a", "--target-column", "y", "--input-column", "x"]
TWO = ["--task-column", "wave", "--support", "two.csv", "--query", "two.csv"]
COMMANDS = {
    "export": (["export", "a", "a.metatrain"], 1),
    "evaluate": (["evaluate", "a", "--out", "scores.json"], 1),
    "report": (["report", "a"], 1),
    "compare": (["report", "a", "b"], 1),
    "adapt": ([*ADAPT, *["--support", "one.csv", "--query", "one.csv", "--out", "p.parquet"]], 1),
    "adapt and save": (
        [*ADAPT, *["--support", "one.csv", "--query", "one.csv", "--save-model", "m.keras"]],
        1,
    ),
    "adapt to two tasks": ([*ADAPT, *TWO, "--out", "p.parquet", "--save-model", "models"], 3),
    "train": (["train", "small.toml", "--out", "new"], 20),
}


@pytest.mark.slow
@pytest.mark.parametrize(("words", "num_writes"), COMMANDS.values(), ids=COMMANDS.keys())
def test_a_full_disk_at_any_write_leaves_what_is_whole_and_one_line(
    disk, tmp_path, monkeypatch, capsys, words, num_writes
):
    before = content(tmp_path)
    assert metatrain(monkeypatch, words) == 0
    writes = writes_of(disk)
    assert len(writes) >= num_writes
    whole = content(tmp_path)
    for number, name in enumerate(writes):
        restore(tmp_path, before)
        disk.done.clear()
        disk.fault = full_from(number)
        capsys.readouterr()
        code = metatrain(monkeypatch, words)
        disk.fault = lambda kind, path: None
        stderr_lines = capsys.readouterr().err.splitlines()
        if name not in NOTES:
            assert code == 1, (name, stderr_lines)
            assert stderr_lines[-1].startswith("metatrain: ")
            assert "No space left on device" in stderr_lines[-1]
            assert re.search("free some space|give --out FILE", stderr_lines[-1])
        assert not any("Traceback" in line for line in stderr_lines)
        there = content(tmp_path)
        hidden = [path for path in there if Path(path).name.startswith(".")]
        assert hidden == []
        for path in there.keys() - before.keys():
            assert path in whole or "tensorboard" in path, (name, path)
            assert len(there[path]) > 0 or path.endswith("metrics.jsonl")
        for path, was in before.items():
            assert there[path] in (was, whole[path]) or path.endswith("report.html")
        torn = [path for path in there.keys() - before.keys() if Path(path).name == name]
        written = writes_of(disk)[:-1]
        assert len(torn) <= written.count(name), (name, torn)
    restore(tmp_path, before)
    assert metatrain(monkeypatch, words) == 0  # nothing is in its way


def restore(folder, before):
    for path in folder.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    for name, was in before.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(was)


@pytest.mark.slow
def test_a_full_disk_at_any_write_of_a_sweeps_own_files_is_one_line(
    disk, tmp_path, monkeypatch, capsys
):
    """The trials' are those of runs."""
    monkeypatch.setattr(ray_tuner, "start", lambda config, verbose: False)
    monkeypatch.setattr(ray_tuner, "run", run_one_trial)
    monkeypatch.setattr(
        trial_table, "_CHEAP_S", float("inf")
    )  # written at each event, however long ..
    monkeypatch.setattr(trial_table, "_WRITE_S", float("inf"))  # .. it or a trial takes
    own = ("sweep.json", "sweep.parquet", "best.toml", "sweep/report.html")
    words = ["tune", "sweep.toml", "--out", "sweep"]
    assert metatrain(monkeypatch, words) == 0
    writes = [path for kind, path in disk.done if kind == "torn" and path.endswith(own)]
    assert {Path(path).name for path in writes} == {Path(name).name for name in own}
    for number, path in enumerate(writes):
        shutil.rmtree(tmp_path / "sweep", ignore_errors=True)
        seen = iter(range(10**9))

        def fault(kind, path, number=number, seen=seen):
            if kind == "torn" and path.endswith(own) and next(seen) >= number:
                raise no_space()

        disk.fault = fault
        capsys.readouterr()
        assert metatrain(monkeypatch, words) == 1
        disk.fault = lambda kind, path: None
        stderr_lines = capsys.readouterr().err.splitlines()
        assert stderr_lines[-1].startswith(
            f"metatrain: sweep/{Path(path).name} cannot be written: No space"
        )
        assert [p for p in content(tmp_path) if Path(p).name.startswith(".")] == []


def run_one_trial(sweep, table, config, location, shown):
    point = {"algorithm.inner_lr": 0.05}
    shown.start("t", point)
    with contextlib.closing(Trial(table, point, f"{location}/trials/t")) as trial:
        shown.report("t", trial.advance())
    shown.end("t")


@pytest.mark.parametrize("words", [["export", "a", "x"], ["train", "small.toml", "--out", "x"]])
def test_a_disk_without_room_for_a_lock_is_no_wrong_input(disk, monkeypatch, capsys, words):
    Path("small.toml").write_text(to_toml(sinusoid()))
    monkeypatch.setattr("orchestrator.storage.claim.FileLock.__init__", no_room)
    assert metatrain(monkeypatch, words) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("No space left on device; free some space")


def no_room(self, path):
    raise no_space()


@pytest.mark.parametrize(
    "error",
    [
        no_space(),
        RuntimeError("Can't close file (errno = 28, error message = 'No space left on device')"),
    ],
    ids=["as Python says it", "as HDF5 does"],
)
def test_a_full_disk_is_not_blamed_on_the_models_classes(disk, monkeypatch, capsys, error):
    def save(self, file):
        Path(file).write_bytes(b"half of it")
        raise error

    monkeypatch.setattr(plain_keras.keras.Model, "save", save)
    words, _ = COMMANDS["adapt and save"]
    assert metatrain(monkeypatch, words) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("metatrain: the model cannot be saved in /")
    assert last.endswith(
        ": No space left on device; free some space there, or set TMPDIR to another folder"
    )
    assert not Path("m.keras").exists()
