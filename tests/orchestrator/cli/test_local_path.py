"""Files to write: URIs and files that a run writes itself are refused."""

import os
import shutil
import sys
from pathlib import Path

import pytest
from shell_commands import snapshot
from small_configs import sinusoid
from small_learners import run_of

from orchestrator.cli import app, typed_command
from orchestrator.storage.storage import Storage

URI = "s3://KEY:SECRET@bucket/x"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current folder, with two runs in it."""
    for name in ("a", "b"):
        shutil.copytree(run_of(sinusoid()), tmp_path / name)
    (tmp_path / "b" / "evaluation.json").unlink(missing_ok=True)  # it still trains
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refusal(monkeypatch, capsys, *words):
    """Return the one line of a command that exits with 2."""
    monkeypatch.setattr(sys, "argv", ["metatrain", *words])
    with pytest.raises(SystemExit) as end:
        app.main()
    assert end.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    (line,) = shown.err.splitlines()
    return line


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "a", "--out", URI],
        ["export", "a", URI],
        ["report", "a", "b", "--out", URI],
        ["adapt", "a", "--support", "s.csv", "--query", "q.csv", "--out", f"{URI}.csv"],
        ["adapt", "a", "--support", "s.csv", "--query", "q.csv", "--save-model", f"{URI}.keras"],
    ],
    ids=lambda words: words[0] + words[-2],
)
def test_a_uri_where_a_local_file_goes_is_refused_without_its_secret(
    folder, monkeypatch, capsys, words
):
    before = snapshot(folder)
    line = refusal(monkeypatch, capsys, *words)
    assert "s3://***@bucket/x" in line
    assert "is a URI; give a file on this machine" in line
    assert "SECRET" not in line
    assert snapshot(folder) == before


@pytest.mark.parametrize("uri", ["file:///tmp/x", "FILE:///tmp/x"])
def test_a_file_uri_is_told_its_path(folder, monkeypatch, capsys, uri):
    assert refusal(monkeypatch, capsys, "export", "a", uri).endswith("is a URI; give only its path")


@pytest.mark.parametrize(
    "words",
    [
        ["evaluate", "a", "--out", "b/evaluation.json"],
        ["export", "a", "b/evaluation.json"],
        ["export", "a", "b/checkpoints/x"],
        ["export", "a", "b/pictures/x"],
        ["report", "a", "b", "--out", "b/report.html"],
    ],
    ids=" ".join,
)
def test_what_a_run_writes_itself_is_nobody_elses(folder, monkeypatch, capsys, words):
    Path("b", "pictures").mkdir(exist_ok=True)
    before = snapshot(folder)
    line = refusal(monkeypatch, capsys, *words)
    assert words[-1] in line
    assert "the run" in line
    assert snapshot(folder) == before


def test_a_file_of_another_name_may_lie_in_a_runs_folder(folder, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["metatrain", "export", "a", "b/a.metatrain"])
    app.main()
    assert Path("b/a.metatrain").is_file()


@pytest.mark.parametrize("typed", ["s3:/KEY:SECRET@b/x", "S3:b", "file:/tmp/x", "gs:/b"])
def test_a_uri_that_lacks_a_slash_is_no_folder(typed):
    with pytest.raises(ValueError, match=r"a URI begins with (s3|file|gs)://; ") as refused:
        Storage(typed)
    assert "SECRET" not in str(refused.value)


def test_a_folder_may_begin_like_a_uri(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("s3:x").mkdir()
    assert Storage("s3:x").local == tmp_path / "s3:x"
    assert Storage("./s3:y").local == tmp_path / "s3:y"


@pytest.mark.parametrize("name", ["config.toml", "checkpoints/ckpt-00000000/manifest.json"])
def test_a_pipe_in_a_runs_folder_is_not_waited_for(tmp_path, name):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(tmp_path / name)
    (tmp_path / "endless").symlink_to("/dev/zero")
    for item in (name, "endless"):
        with pytest.raises(OSError, match="not a regular file"):
            Storage(str(tmp_path)).read(item)


def test_python_m_metatrain_is_told_what_starts_it_again(monkeypatch):
    monkeypatch.setattr(typed_command.shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["/a/metatrain.py", "train", "x"])
    message = typed_command.resume_command("runs/x")
    assert message == f"{sys.executable} -m metatrain train x --out runs/x --resume"
    monkeypatch.setattr(sys, "argv", ["/a/bin/metatrain", "train", "x"])
    assert typed_command.resume_command("runs/x").startswith("/a/bin/metatrain train x ")
