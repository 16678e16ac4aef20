"""The shipped sinusoid sweep against its preset: its best trial, ASHA's gain, and Tune's cost.

    python benchmarks/sweep.py

One run each of the preset, the sweep, and the same trials without early stopping, one after
another. `lost` is the share of the wall-clock time of two slots, from the command to the end of the
last trial, in which no trial trained or validated: starting Ray and TensorFlow, compiling, Tune.
`empty` comes on top: the share of the slot that had nothing left to run while the last trial ended.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq
import tomli_w
import typer
from rich.console import Console

from orchestrator.config.schema import read_table
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from orchestrator.sweep.settings import SHIPPED

CONSOLE = Console(highlight=False, width=110)
_SLOTS = 2


class Duration(NamedTuple):
    """Seconds of a command until its last trial is over; test tasks and pictures come after it.

    all_s: all of them.
    alone_s: those after the last trial but one.
    """

    all_s: float
    alone_s: float


def main(sweep: str = "sinusoid", out: Path | None = None) -> None:
    """Run all three, in folders below `out`."""
    folder = out or Path(tempfile.mkdtemp())
    table = read_table(str(SHIPPED / f"{sweep}.toml"))
    _run("train", table["base"], "--workers", "0", "--out", f"{folder}/preset")
    preset = _validated(folder / "preset")
    CONSOLE.print(f"preset: validation {table['metric']} {preset['score']:.4f}")
    durations: dict[str, Duration] = {}
    for scheduler in ("asha", "none"):
        changed = {**table, "search": {**table["search"], "scheduler": scheduler}}
        file = folder / f"{scheduler}.toml"
        file.write_text(tomli_w.dumps(changed))
        durations[scheduler] = _run("tune", str(file), "--out", f"{folder}/{scheduler}")
        _show(scheduler, folder / scheduler, table, preset["score"], durations[scheduler])
    saved = 1 - durations["asha"].all_s / durations["none"].all_s
    CONSOLE.print(f"ASHA saves {saved:.0%} of the time")


def _show(scheduler: str, folder: Path, table: dict, preset: float, duration: Duration) -> None:
    trials = pq.read_table(folder / "sweep.parquet").to_pylist()
    best = min(trials, key=lambda row: row[f"best_{table['metric']}"])
    score, trained_s = best[f"best_{table['metric']}"], sum(row["seconds"] for row in trials)
    tested = json.loads((folder / best["run"] / "evaluation.json").read_text())["after"]
    values = {key: best[key] for key in table["space"]}
    slots_s, alone_s = _SLOTS * duration.all_s, duration.alone_s
    CONSOLE.print(
        f"{scheduler}: {len(trials)} trials in {duration.all_s:.0f} s, {trained_s:.0f} s of "
        f"training, lost {1 - (trained_s + alone_s) / slots_s:.0%}, empty "
        f"{alone_s / slots_s:.0%}; steps {sorted(row['step'] for row in trials)}"
    )
    CONSOLE.print(
        f"best: validation {table['metric']} {score:.4f}, {1 - score / preset:.0%} below the "
        f"preset's; test {tested['loss']:.4f} ± {tested['loss_ci95']:.4f}; {values}"
    )


def _validated(run: Path) -> dict:
    return checkpoint.best(Storage(str(run)))[1]


def _run(*words: str) -> Duration:
    """Run a command to its end."""
    began = time.monotonic()
    command = [sys.executable, "-m", "metatrain", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        ends = [began, began]
        for line in process.stderr:
            if re.match(r"trial \d+ (finished|stopped|failed)", line):
                ends.append(time.monotonic())
    assert process.returncode == 0, words
    return Duration(ends[-1] - began, ends[-1] - ends[-2])


if __name__ == "__main__":
    typer.run(main)
