"""What tasks of a user's own function cost: outer steps a second beside the preset's own family.

    python benchmarks/speed/python_tasks.py [--steps 300] [--rounds 9] [--profile]

The preset `sinusoid`, the same tasks from a function that draws one at a time, and from one that
draws many at once, all in this process. They take turns: each round times `--steps` steps of each,
and what is printed is the median over rounds of each, and of its ratio to the preset in the same
round. --profile prints where the time of the function's steps goes instead.
"""

import argparse
import cProfile
import itertools
import pstats
import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from orchestrator.config.schema import load
from orchestrator.run.launch import launch
from workers.tasks.registry import make_family

HERE = str(Path(__file__).parent)
SOURCES = {
    "preset": {},
    "one by one": {"task.kind": "python", "task.source": "python_sines:sines"},
    "many at once": {"task.kind": "python", "task.source": "python_sines:many_sines"},
}


def steps_of(settings: dict[str, Any]) -> Iterator[Any]:
    """Yield the outer steps of a run without end."""
    from orchestrator.loop import meta_train
    from orchestrator.outer.update import OuterUpdate

    folder = {"task.folder": HERE} if settings else {}
    always = {"workers.count": 0, "outer.steps": 10**7}
    config, _ = load("sinusoid", {**settings, **folder, **always})
    launched = launch(config, make_family(config.task), {}, say=lambda text: None)
    outer = OuterUpdate(config.outer, launched.initial_state())
    return meta_train(config, launched.family, launched.pool, outer)


def seconds(steps: Iterator[Any], number: int) -> float:
    """Time a number of steps."""
    started = time.perf_counter()
    for _ in itertools.islice(steps, number):
        pass
    return time.perf_counter() - started


def main() -> None:
    """Print a line for each family."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--profile", action="store_true")
    given = parser.parse_args()
    runs = {name: steps_of(settings) for name, settings in SOURCES.items()}
    for steps in runs.values():
        seconds(steps, 5)  # compiles
    if given.profile:
        profile = cProfile.Profile()
        profile.runcall(seconds, runs["one by one"], given.steps)
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)
        return
    rates: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(given.rounds):
        for name, steps in runs.items():
            rates[name].append(given.steps / seconds(steps, given.steps))
    for name, found in rates.items():
        ratios = [rate / own for rate, own in zip(found, rates["preset"], strict=True)]
        print(f"{name:14} {median(found):8.1f} steps/s   {median(ratios):.3f} x the preset")


if __name__ == "__main__":
    main()
