"""`metatrain submit` and similar commands: inputs refused with one line before anything is sent."""

import os
import subprocess
import sys

import pytest
from small_dashboard import SmallDashboard, serving

from orchestrator.cli.app import main


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty folder, and no cluster."""
    monkeypatch.chdir(tmp_path)
    for name in ("RAY_ADDRESS", "RAY_API_SERVER_ADDRESS", "RAY_AUTH_MODE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def metatrain(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["metatrain", *words])
    with pytest.raises(SystemExit) as end:
        main()
    output = capsys.readouterr()
    return end.value.code, output.out, output.err


REFUSED = {
    "nothing": (["submit"], "Missing argument"),
    "not a command": (
        ["submit", "--", "presets", "x"],
        "'presets' cannot be submitted; allowed are train, tune, ",
    ),
    "no command": (["submit", "sinusoid"], "'sinusoid' cannot be submitted"),
    "a command's unknown option": (["submit", "--", "train", "--nosuch"], "--nosuch"),
    "a command's wrong value": (
        ["submit", "--", "evaluate", "/a", "--tasks", "x"],
        "Invalid value for '--tasks'",
    ),
    "an unknown preset": (["submit", "--", "train", "sinsoid"], "did you mean 'sinusoid'"),
    "without the dashes": (
        ["submit", "train", "sinusoid", "--set", "seed=x"],
        "seed must be a whole number, got 'x'",
    ),
    "a wrong option": (["submit", "--nosuch", "--", "train"], "--nosuch"),
    "a folder that is none": (
        ["submit", "--working-dir", "no/where", "--", "train"],
        "--working-dir no/where is no folder",
    ),
    "a python that is none": (
        ["submit", "--python", "python3", "--", "train"],
        "--python python3 is not an absolute path",
    ),
    "a wrong address": (["submit", "--address", "ray://a:1", "--", "train"], "is Ray Client's"),
    "a list's": (["list", "--address", "a:1"], "does not begin with http"),
    "a status'": (["status", "--address", "auto"], "does not begin with http"),
    "a log's": (["logs", "-f", "--address", "auto"], "does not begin with http"),
    "a stop's": (["stop", "x", "--address", "auto"], "does not begin with http"),
}


@pytest.mark.parametrize(("words", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_input_ends_with_2_and_one_line(monkeypatch, capsys, words, expected):
    code, out, err = metatrain(monkeypatch, capsys, *words)
    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert line.startswith("metatrain: ")
    assert expected in line


@pytest.mark.parametrize(
    "words", [["submit", "--", "train"], ["status"], ["logs", "-f"], ["stop"], ["list"]]
)
def test_a_cluster_that_is_not_there_ends_with_1_and_one_line(monkeypatch, capsys, words):
    with serving(SmallDashboard()) as address:
        pass
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", address)
    code, out, err = metatrain(monkeypatch, capsys, *words)
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith(f"metatrain: no dashboard answers at {address}; ")


def test_words_are_read_in_the_working_dir(monkeypatch, capsys, folder):
    (folder / "code").mkdir()
    (folder / "code" / "wrong.toml").write_text("seed =")
    words = ["--working-dir", "code", "--", "train", "wrong.toml"]
    code, _, err = metatrain(monkeypatch, capsys, "submit", *words)
    assert code == 2
    assert "wrong.toml is not TOML" in err


def test_help_of_the_command_that_is_submitted_is_its_own(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["metatrain", "submit", "--", "train", "--help"])
    main()
    assert "--allow-changes" in capsys.readouterr().out


def test_what_goes_on_from_within_a_job_is_a_submission(monkeypatch):
    from orchestrator.cli.typed_command import resume_command

    words = ["metatrain", "train", "sinusoid", "--out", "/runs/a", "--resume"]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.delenv("RAY_JOB_CONFIG_JSON_ENV_VAR", raising=False)
    assert resume_command("/runs/a").endswith(" train sinusoid --out /runs/a --resume")
    monkeypatch.setenv("RAY_JOB_CONFIG_JSON_ENV_VAR", "{}")
    expected = "metatrain submit --again -- train sinusoid --out /runs/a"
    assert resume_command("/runs/a") == expected


def test_nothing_is_left_in_the_environment(monkeypatch, capsys):
    before = dict(os.environ)
    metatrain(monkeypatch, capsys, "list", "--address", "http://127.0.0.1:1")
    assert dict(os.environ) == before


def test_a_reader_that_has_seen_enough_ends_a_log_without_a_word():
    code = """
from orchestrator.cli.jobs.jobs_options import _interruptible
with _interruptible():
    raise BrokenPipeError
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
