"""Runs on Ray's actors from folders and files with unusual names."""

import os
import subprocess
import sys

import pytest
from ray.train import RunConfig, ScalingConfig
from shell_commands import environment, theta_sha256, write_config
from small_configs import sinusoid

from orchestrator.records.history import read_history
from orchestrator.storage.storage import Storage
from orchestrator.trainer import MetaTrainer

NAME = "größe [a] $\\x{ 日本"


def metatrain(folder, *words, **more):
    """An environment whose output and file names are ASCII by the locale."""
    ascii_alone = {
        "LC_ALL": "C",
        "PYTHONIOENCODING": "ascii",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    return subprocess.run(
        [sys.executable, "-m", "metatrain", *words],
        cwd=folder,
        env=environment() | ascii_alone | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        encoding="ascii",
        timeout=600,
    )


@pytest.mark.ray
@pytest.mark.slow
def test_a_name_in_any_letters_trains_and_resumes_on_actors(tmp_path):
    folder = tmp_path / "café 1"
    folder.mkdir()
    write_config(folder, sinusoid("outer.steps=4"), "here")
    os.rename(folder / "here.toml", folder / f"{NAME}.toml")
    text = (folder / f"{NAME}.toml").read_text(encoding="utf-8").replace('name = "small"\n', "")
    (folder / f"{NAME}.toml").write_text(text, encoding="utf-8")
    done = metatrain(folder, "train", f"{NAME}.toml", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert r"gr\xf6\xdfe [a] $\x{ \u65e5\u672c: 4 outer steps" in done.stderr
    assert theta_sha256(done.stdout)
    run = folder / "runs" / NAME
    assert (run / "report.html").is_file()

    again = MetaTrainer(
        str(folder / f"{NAME}.toml"),
        overrides={"outer.steps": 6},
        scaling_config=ScalingConfig(num_workers=1),
        run_config=RunConfig(storage_path=str(folder / "runs"), name=NAME),
        resume=True,
    ).fit()
    assert again.metrics["step"] == 6
    assert [item.first_step for item in read_history(Storage(str(run)))] == [0, 4]
    assert [item.pool for item in read_history(Storage(str(run)))] == ["1 Ray actor"] * 2
