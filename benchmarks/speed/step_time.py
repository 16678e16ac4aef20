"""The time of an outer step in one process, of this tree or of the one before the folders.

    python benchmarks/speed/step_time.py [PRESET] [--steps 4000]

For a comparison, run it in turn from two trees (`git worktree add ../before e13f972`, then
`PYTHONPATH=../before` and `PYTHONPATH=.`). Each step is run by itself. It prints the median and the
tenth percentile of wall-clock time, and the mean CPU time, of all steps but the first tenth.
"""

import argparse
import importlib
import time
from typing import Any

import numpy as np


def _first(*names: str) -> Any:
    """Import the first of these modules that this tree has."""
    for name in names:
        try:
            return importlib.import_module(name)
        except ModuleNotFoundError:
            continue
    raise SystemExit(f"no module {' or '.join(names)}: set PYTHONPATH to a tree")


def main() -> None:
    """Print one line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("preset", nargs="?", default="sinusoid")
    parser.add_argument("--steps", type=int, default=4000)
    given = parser.parse_args()
    schema = _first("orchestrator.config.schema", "orchestrator.config")
    launch = _first("orchestrator.run.launch", "orchestrator.launch").launch
    outer_update = _first("orchestrator.outer.update", "orchestrator.outer").OuterUpdate
    family_of = _first("workers.tasks.registry").make_family
    meta_train = _first("orchestrator.loop").meta_train
    config, _ = schema.load(given.preset, {"outer.steps": given.steps, "workers.count": 0})
    family = family_of(config.task)
    launched = launch(config, family, {}, say=lambda text: None)
    outer = outer_update(config.outer, launched.initial_state())
    times = [(time.perf_counter(), time.process_time())]
    for _ in meta_train(config, family, launched.pool, outer):
        times.append((time.perf_counter(), time.process_time()))
    wall, cpu = np.diff(np.array(times)[given.steps // 10 :], axis=0).T * 1e3
    print(
        f"{given.preset}: {np.median(wall):.3f} ms a step (tenth percentile "
        f"{np.percentile(wall, 10):.3f}), {np.mean(cpu):.3f} ms of CPU"
    )


if __name__ == "__main__":
    main()
