"""The cost of a further trial in a long sweep: memory, time, and the restart after a kill.

    python benchmarks/sweep_trials.py --trials 1000

A sweep of trials of 20 steps each. Half way the command is killed (SIGKILL) and continues with
--resume. A line of JSON for each trial goes to OUT/trials.jsonl; if that file exists, the benchmark
itself continues from it. At the end it prints

- driver: kB that a trial adds to the driver, by a line through its memory after the first quarter;
- trials: MB that a trial adds to its process, the most memory of a process, and how many trials
  each process had;
- the last fifth of the trials (100 of the 500 before the kill) against the first: seconds a trial;
- seconds from --resume to the first trial that starts or ends.
"""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tomli_w
import typer
from memory import resident_mb
from rich.console import Console

CONSOLE = Console(highlight=False, width=110)
_EVENT = re.compile(r"trial (\d+) (starts|continues|finished|stopped|failed)")
_RATES = {"inner": "algorithm.inner_lr", "outer": "outer.lr"}


def main(
    trials: int = 60,
    steps: int = 20,
    rate: Annotated[
        str, typer.Option(help="inner: each trial compiles; outer: only the first does")
    ] = "inner",
    out: Path | None = None,
    kill: bool = True,
) -> None:
    """Run the sweep in `out`, and print its costs."""
    folder = out or Path(tempfile.mkdtemp(dir="/tmp", prefix="s"))
    folder.mkdir(parents=True, exist_ok=True)
    file, log = folder / "sweep.toml", folder / "trials.jsonl"
    file.write_text(tomli_w.dumps(_sweep(trials, steps, _RATES[rate])))
    CONSOLE.print(f"in {folder}")
    if kill and _ended(log) < trials // 2:
        _run(file, folder, log, trials, stop_at=trials // 2)
    if _ended(log) < trials:
        _run(file, folder, log, trials, stop_at=None)
    _show([json.loads(line) for line in log.read_text().splitlines()])


def _sweep(trials: int, steps: int, rate: str) -> dict[str, Any]:
    overrides = {
        "outer.steps": steps,
        "evaluation.every": steps,
        "evaluation.tasks": 20,
        "evaluation.validation_tasks": 20,
        "checkpoint.every": steps,
    }
    return {
        "base": "sinusoid",
        "samples": trials,
        "overrides": overrides,
        "space": {rate: {"loguniform": [1e-3, 1e-2]}},
    }


def _run(file: Path, folder: Path, log: Path, trials: int, stop_at: int | None) -> None:
    """Run the command to its end, or to a SIGKILL once `stop_at` trials have ended."""
    session = tempfile.mkdtemp(dir="/tmp", prefix="r")
    (Path(session) / "ray").mkdir()
    resume = ["--resume"] if (folder / "sweep" / "sweep.json").exists() else []
    words = ["-m", "metatrain", "tune", str(file), "--out", str(folder / "sweep"), *resume]
    environment = os.environ | {"RAY_TMPDIR": session}
    began = time.monotonic()
    ended = _ended(log)
    with (
        subprocess.Popen(
            [sys.executable, *words], stderr=subprocess.PIPE, text=True, env=environment
        ) as process,
        log.open("a") as rows,
    ):
        assert process.stderr is not None
        for number, event in _events(process.stderr):
            is_over = event in ("finished", "stopped", "failed")
            ended += is_over
            row = {
                "trial": number,
                "event": event,
                "is_over": is_over,
                "resumed": bool(resume),
                "at_s": time.monotonic() - began,
                "driver_mb": resident_mb(process.pid),
                "trials_mb": _resident_of_trials(session),
            }
            rows.write(json.dumps(row) + "\n")
            rows.flush()
            if is_over:
                CONSOLE.print(
                    f"{ended} of {trials}, {row['at_s']:.0f} s: driver {row['driver_mb']:.1f} MB, "
                    f"trials {' '.join(f'{mb:.0f}' for mb in row['trials_mb'].values())} MB"
                )
            if stop_at is not None and ended >= stop_at:
                process.send_signal(signal.SIGKILL)
                break  # Ray's processes, which end soon, keep the pipe open
    if stop_at is None:
        assert process.returncode == 0, f"exit {process.returncode}"


def _events(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    for line in lines:
        if event := _EVENT.match(line):
            yield int(event[1]), event[2]


def _resident_of_trials(session: str) -> dict[str, float]:
    """Return the MB of each process that runs trials of this benchmark's own Ray."""
    resident = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if not process.joinpath("cmdline").read_bytes().startswith(b"ray::RayTrial"):
                continue
            if f"RAY_TMPDIR={session}\0".encode() in process.joinpath("environ").read_bytes():
                resident[process.name] = resident_mb(process.name)
        except (OSError, StopIteration):  # it has ended in the meantime
            continue
    return resident


def _ended(log: Path) -> int:
    lines = log.read_text().splitlines() if log.exists() else []
    return sum(json.loads(line)["is_over"] for line in lines)


def _show(rows: list[dict[str, Any]]) -> None:
    for resumed in (False, True):
        over = [row for row in rows if row["is_over"] and row["resumed"] == resumed]
        if len(over) < 3:
            continue
        warm = [row["driver_mb"] for row in over[len(over) // 4 :]]
        slope_mb = np.polyfit(range(len(warm)), warm, 1)[0]
        when = "after --resume" if resumed else "from the beginning"
        CONSOLE.print(
            f"driver, {when}: {over[0]['driver_mb']:.0f} MB, {1000 * slope_mb:+.1f} kB a trial "
            f"over the last {len(warm)} trials"
        )
        _show_trials(over)
        fifth = max(len(over) // 5, 2)
        times = [row["at_s"] for row in over]
        first, last = (times[fifth - 1] - times[0], times[-1] - times[-fifth])
        CONSOLE.print(
            f"the first {fifth} trials {first / (fifth - 1):.2f} s each, the last {fifth} "
            f"{last / (fifth - 1):.2f} s: {last / first:.2f} times"
        )
    again = [row["at_s"] for row in rows if row["resumed"]]
    if again:
        CONSOLE.print(f"--resume after SIGKILL: {again[0]:.1f} s to the first trial")


def _show_trials(over: list[dict[str, Any]]) -> None:
    by_process: dict[str, list[float]] = {}
    for row in over:
        for process, mb in row["trials_mb"].items():
            by_process.setdefault(process, []).append(mb)
    together = max(len(row["trials_mb"]) for row in over)
    slopes = [(mb[-1] - mb[1]) / (len(mb) - 2) for mb in by_process.values() if len(mb) > 3]
    lengths = Counter(-(-len(mb) // together) for mb in by_process.values())
    CONSOLE.print(
        f"trials: {together * np.mean(slopes) if slopes else 0:+.1f} MB a trial in its process, "
        f"at most {max(map(max, by_process.values())):.0f} MB; processes by their number of "
        f"trials: {dict(sorted(lengths.items()))}"
    )


if __name__ == "__main__":
    typer.run(main)
