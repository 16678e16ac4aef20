"""A signal at any moment of any command, from its first import on: 75, and nothing half-written."""

import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from shell_commands import environment, snapshot
from small_configs import sinusoid
from small_learners import run_of

from orchestrator.config.schema import to_toml

SCRIPT = Path(__file__).with_name("stopped_run.py")
ADAPT = "adapt a --support s.csv --query s.csv --out p.parquet --save-model m.keras"
MOMENTS = [
    ("typer", "train small.toml --out new"),
    ("pydantic", "train small.toml --out new"),
    ("tensorflow", "train small.toml --out new"),
    ("typer", "tune sweep.toml --out new"),
    ("ray", "tune sweep.toml --out new"),
    ("typer", "export a a.metatrain"),
    ("zipfile", "export a a.metatrain"),
    ("jinja2", "report a"),
    ("matplotlib.figure", "report a --out page.html"),
    ("numpy", "data sinusoid"),
    ("orchestrator.cli.doctor_command", "doctor sinusoid --workers 0"),
    ("pyarrow.fs", ADAPT),
    ("tensorflow", ADAPT),
    ("tensorflow", "evaluate a --out scores.json"),
    ("orchestrator.cli.jobs.jobs_command", "list"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("module", "words"), MOMENTS, ids=lambda text: text.partition(" --")[0])
def test_a_signal_ends_any_command_with_75_and_leaves_nothing(tmp_path, module, words):
    shutil.copytree(run_of(sinusoid()), tmp_path / "a")
    (tmp_path / "small.toml").write_text(to_toml(sinusoid()))
    (tmp_path / "sweep.toml").write_text(
        'base = "small.toml"\n[space]\n"algorithm.inner_lr" = {choice = [0.05]}\n'
    )
    (tmp_path / "s.csv").write_text("x,y\n-2,0.5\n0.5,0.1\n1,0.3\n")
    before = snapshot(tmp_path)
    number = signal.SIGINT if module == "numpy" else signal.SIGTERM
    done = subprocess.run(
        [sys.executable, SCRIPT, module, str(int(number)), *words.split()],
        cwd=tmp_path,
        env=environment() | {"PYTHONPATH": str(SCRIPT.parents[2])},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 75, done.stderr
    assert "Traceback" not in done.stderr
    assert snapshot(tmp_path) == before
