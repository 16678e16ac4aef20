"""The error of the doctor's forecast: the doctor, and then real runs, one after the other.

python benchmarks/doctor.py [--presets sinusoid,omniglot-5w1s] [--counts 0,1,2] [--rounds 1]

Peak memory is the RSS high water of the driver's process, and of the largest actor; tasks/s is the
median of metrics.jsonl after the warm-up. The doctor itself measures 0 and 2 actors for seconds,
and forecasts 1.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import typer
from rich.console import Console
from rich.table import Table

CONSOLE = Console(highlight=False, width=120)
_WARM_UP, _POLL_S = 20, 0.25
_METATRAIN = [sys.executable, "-m", "metatrain"]
#: Overrides that make the real runs minutes long, for the doctor too; the rest is the preset's.
SHORTER = {
    "sinusoid": ["outer.steps=6000"],
    "omniglot-5w1s": ["outer.steps=150"],
    "omniglot-reptile-5w1s": [
        "outer.steps=150",
        "evaluation.tasks=100",
        "evaluation.validation_tasks=30",
    ],
}


def main(presets: str = ",".join(SHORTER), counts: str = "0,1,2", rounds: int = 1) -> None:
    """Print forecast, measured, and the error of the forecast."""
    table = Table(title="forecast / measured (error)")
    for name in ("preset", "workers", "load", "tasks/s", "driver, MB", "an actor, MB", "run, s"):
        table.add_column(name, justify="left" if name == "preset" else "right")
    for _ in range(rounds):
        for preset in presets.split(","):
            load = os.getloadavg()[0]
            rows = {row["num_actors"]: row for row in forecast(preset)}
            for count in map(int, counts.split(",")):
                real, row = real_run(preset, count), rows[count]
                cells = [
                    _compared(row["tasks_per_s"], real["tasks_per_s"]),
                    _compared(row["driver_bytes"] / 1e6, real["driver_bytes"] / 1e6),
                    _compared(row["actor_bytes"] / 1e6, real["actor_bytes"] / 1e6),
                    _compared(row["run_s"], real["run_s"]),
                ]
                table.add_row(preset, str(count), f"{load:.1f}", *cells)
                CONSOLE.print(preset, count, f"load {load:.1f}", *cells)
                load = os.getloadavg()[0]
    CONSOLE.print(table)


def forecast(preset: str) -> list[dict[str, Any]]:
    """Run the doctor, and return its rows."""
    command = [*_METATRAIN, "doctor", preset, "--json", *_overrides(preset)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows: list[dict[str, Any]] = json.loads(done.stdout)["forecast"]
    return rows


def real_run(preset: str, count: int) -> dict[str, float]:
    """Train with validation, test and picture, and return the numbers of a forecast's row."""
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "run")
        process = subprocess.Popen(
            [
                *_METATRAIN,
                "train",
                preset,
                *_overrides(preset),
                f"--workers={count}",
                f"--out={out}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        driver_bytes, actor_bytes = _watch(process)
        assert process.returncode == 0
        rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return {
        "tasks_per_s": median(row["tasks_per_s"] for row in rows[_WARM_UP:]),
        "driver_bytes": driver_bytes,
        "actor_bytes": actor_bytes,
        "run_s": time.perf_counter() - began,
    }


def _overrides(preset: str) -> list[str]:
    return [f"--set={override}" for override in SHORTER[preset]]


def _watch(process: subprocess.Popen[bytes]) -> tuple[int, int]:
    """Return the peak memory of a run's driver, and of the largest of its actors."""
    driver_bytes = actor_bytes = 0
    while process.poll() is None:
        driver_bytes = max(driver_bytes, _peak_bytes(process.pid))
        for pid in _actors_below(process.pid):
            actor_bytes = max(actor_bytes, _peak_bytes(pid))
        time.sleep(_POLL_S)
    return driver_bytes, actor_bytes


def _actors_below(root: int) -> list[int]:
    """List Ray's workers with an actor among the descendants of a process."""
    parents, titles = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            after_name = (folder / "stat").read_text().rpartition(")")[2]
            titles[int(folder.name)] = (folder / "cmdline").read_text()
        except OSError:
            continue
        parents[int(folder.name)] = int(after_name.split()[1])
    below = {root}
    while children := {pid for pid, parent in parents.items() if parent in below} - below:
        below |= children
    return [
        pid
        for pid in below
        if titles.get(pid, "").startswith("ray::") and "IDLE" not in titles[pid]
    ]


def _peak_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    peaks = [line.split()[1] for line in lines if line.startswith("VmHWM")]
    return int(peaks[0]) * 1024 if peaks else 0


def _compared(forecast: float, measured: float) -> str:
    if not measured:
        return ""
    return f"{forecast:,.0f} / {measured:,.0f} ({100 * (forecast / measured - 1):+.0f} %)"


if __name__ == "__main__":
    typer.run(main)
