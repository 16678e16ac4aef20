"""`metatrain ... | head`: after the reader has closed the pipe, the command runs to its end."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from shell_commands import environment, write_config
from small_configs import sinusoid

from orchestrator.text.console import Console

SHORT = ["outer.steps=2", "model.hidden=[4]", "outer.meta_batch_size=2"]
SHORT += ["evaluation.inner_steps=[1]"]
ROOT = str(Path(__file__).parents[3])


@pytest.mark.slow
@pytest.mark.parametrize("stream", ["stdout", "both"])
def test_a_run_whose_reader_goes_ends_as_any_other(tmp_path, stream):
    """Each stream is a console of its own: standard error goes with `both`."""
    words = ["train", write_config(tmp_path, sinusoid(*SHORT)), "--out", "run"]
    process = subprocess.Popen(
        [sys.executable, "-m", "metatrain", *words],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": ROOT, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if stream == "both" else subprocess.PIPE,
        text=True,
    )
    if stream == "both":
        process.stdout.readline()
    process.stdout.close()
    rest = ""
    if stream == "stdout":
        rest = process.stderr.read()
        process.stderr.close()
    assert process.wait(300) == 0
    assert "Broken" not in rest
    assert json.loads((tmp_path / "run" / "history.json").read_text())[0]["ended"] == "finished"
    assert {path.name for path in (tmp_path / "run").iterdir()} >= {
        "evaluation.json",
        "picture.png",
        "report.html",
    }


@pytest.mark.parametrize("words", ["presets", "data sinusoid", "train nosuch"])
def test_a_command_whose_reader_is_gone_is_silent(tmp_path, words):
    process = subprocess.Popen(
        [sys.executable, "-m", "metatrain", *words.split()],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": ROOT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    process.stdout.close()
    message = process.stderr.read()
    process.stderr.close()
    assert process.wait(60) == (2 if "nosuch" in words else 0)
    assert "Broken" not in message
    assert "Exception" not in message


def test_a_console_whose_reader_goes_prints_nothing_more(tmp_path):
    read, write = open_pipe()
    console = Console(file=write)
    read.close()
    console.print("a")
    console.print("b")
    write.close()
    assert console.quiet


def open_pipe():
    read, write = os.pipe()
    return os.fdopen(read), os.fdopen(write, "w")
