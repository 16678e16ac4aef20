"""What a further trial of a sweep costs in a process that has run one, without Ray and Tune.

    python benchmarks/speed/trial_start.py [--profile]

Trials of 20 outer steps of the sinusoid that differ in the outer rate, so that nothing of the inner
loop is compiled again. Prints the median seconds of opening a trial, of its steps with validation
and checkpoint, and of closing it; and where they go, by cProfile, if asked.
"""

import cProfile
import itertools
import pstats
import tempfile
import time
from pathlib import Path
from statistics import median

import typer
from rich.console import Console

from orchestrator.config.schema import read_table
from orchestrator.sweep.process import THIS_PROCESS
from workers.execution import runtime

CONSOLE = Console(highlight=False, width=110)
_STEPS = 20
_OVERRIDES = {
    "outer": {"steps": _STEPS},
    "evaluation": {"every": _STEPS, "tasks": 20, "validation_tasks": 20},
    "checkpoint": {"every": _STEPS},
    "workers": {"count": 0},
}


def main(trials: int = 8, profile: bool = False) -> None:
    """Run the trials one after another, and print the medians of all but the first."""
    runtime.own_process()
    with tempfile.TemporaryDirectory() as folder:
        first, *others = [_seconds(Path(folder), number) for number in range(trials)]
        named = zip(("open", "steps", "close"), zip(*others, strict=True), strict=True)
        told = ", ".join(f"{name} {median(seconds):.3f} s" for name, seconds in named)
        CONSOLE.print(f"first trial {sum(first):.2f} s; of {len(others)} others: {told}")
        if profile:
            with cProfile.Profile() as seen:
                _seconds(Path(folder), trials)
            pstats.Stats(seen).sort_stats("cumulative").print_stats("orchestrator|workers|gc", 40)


def _seconds(folder: Path, number: int) -> tuple[float, float, float]:
    from orchestrator.sweep.trial import Trial

    table = read_table("sinusoid")
    for section, values in _OVERRIDES.items():
        table.setdefault(section, {}).update(values)
    times = [time.perf_counter()]
    trial = Trial(table, {"outer.lr": 1e-3 * (number + 1)}, str(folder / f"trials/{number}"))
    times.append(time.perf_counter())
    trial.advance()
    times.append(time.perf_counter())
    trial.close()
    THIS_PROCESS.end_trial()
    times.append(time.perf_counter())
    opened, ran, closed = (after - before for before, after in itertools.pairwise(times))
    return opened, ran, closed


if __name__ == "__main__":
    typer.run(main)
