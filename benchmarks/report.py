"""The time and the size of the page of a long run.

python benchmarks/report.py --steps 60000
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

sys.path.insert(0, str(Path(__file__).parents[1]))  # for a checkout that is not installed

import synthetic
import synthetic_run

from orchestrator.config.schema import load


def main(
    steps: Annotated[int, typer.Option(help="Outer steps of each run.")] = 60_000,
    rounds: Annotated[int, typer.Option(help="How often each page is made.")] = 3,
) -> None:
    """Print seconds of `metatrain report`, from the shell and back, and the page's bytes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synthetic.write_noise(folder / "noise.parquet")
        overrides = synthetic.overrides(folder / "noise.parquet", name)
        settings = [f"outer.steps={steps}", "evaluation.every=500"]
        runs = {"sinusoid": load("sinusoid", settings)[0]}
        runs["omniglot-5w1s"] = load("omniglot-5w1s", [*overrides, *settings])[0]
        for seed, (run, config) in enumerate(runs.items()):
            synthetic_run.write_run(folder / run, config, seed=seed)
            _measure(run, [str(folder / run)], folder / run / "report.html", rounds)
        for seed in (1, 2):
            synthetic_run.write_run(folder / f"seed{seed}", runs["sinusoid"], seed=seed)
        out = folder / "comparison.html"
        three = [str(folder / run) for run in ("sinusoid", "seed1", "seed2")]
        _measure("three runs", [*three, "--out", str(out)], out, rounds)


def _measure(name: str, words: list[str], page: Path, rounds: int) -> None:
    command = [sys.executable, str(Path(__file__).parents[1] / "metatrain.py"), "report", *words]
    seconds, began = [], os.times()
    for _ in range(rounds):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds.append(time.perf_counter() - started)
    listed, ended = ", ".join(f"{value:.1f}" for value in seconds), os.times()
    cpu = ended.children_user + ended.children_system - began.children_user - began.children_system
    print(
        f"{name}: {listed} s ({cpu / rounds:.1f} s of CPU each); {page.stat().st_size / 1e6:.2f} MB"
    )


if __name__ == "__main__":
    typer.run(main)
