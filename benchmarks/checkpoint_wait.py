"""The time that a step waits for a checkpoint: written in the step, and handed to the writer.

python benchmarks/checkpoint_wait.py --megabytes 27 --rounds 10
"""

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Annotated

import numpy as np
import typer

sys.path.insert(0, str(Path(__file__).parents[1]))  # for a checkout that is not installed

from orchestrator.outer.state import MetaState
from orchestrator.records.metrics_log import MetricsLog
from orchestrator.run.checkpoint_writer import CheckpointWriter, Snapshot
from orchestrator.storage import checkpoint
from orchestrator.storage.checkpoint import Manifest
from orchestrator.storage.storage import Storage


def main(
    megabytes: Annotated[float, typer.Option(help="Weights and optimizer, Adam's.")] = 27.0,
    rounds: Annotated[int, typer.Option(help="Checkpoints of each kind, in turn.")] = 10,
) -> None:
    """Print the medians, and their ratio."""
    size = int(megabytes * 1e6 / 4 / 3)
    parts = [np.random.default_rng(seed).normal(size=size).astype(np.float32) for seed in range(3)]
    waits: dict[str, list[float]] = {"in the step": [], "handed over": []}
    with tempfile.TemporaryDirectory() as folder:
        storage = Storage(folder)
        log = MetricsLog(storage, 0)
        writer = CheckpointWriter(storage, log, lambda s: _manifest(s.state), 3, print)
        for step in range(1, 2 * rounds + 1):
            kind = "handed over" if step % 2 else "in the step"
            started = time.perf_counter()
            state = _copy(step, parts)
            if step % 2:
                writer.submit(Snapshot(state, {}))
            else:
                checkpoint.save(storage, state, _manifest(state))
            waits[kind].append(time.perf_counter() - started)
            writer.flush()
        writer.close()
        log.close()
    for kind, seconds in waits.items():
        print(f"{kind}: median {median(seconds) * 1e3:.1f} ms, longest {max(seconds) * 1e3:.1f} ms")
    print(f"ratio {median(waits['handed over']) / median(waits['in the step']):.3f}")


def _copy(step: int, parts: list[np.ndarray]) -> MetaState:
    """Copy the weights and the optimizer's two moments, as a run does."""
    theta, *moments = (part.copy() for part in parts)
    named = {f"moment{number}": moment for number, moment in enumerate(moments)}
    return MetaState(step, [theta], ["theta"], {}, named)


def _manifest(state: MetaState) -> Manifest:
    return Manifest(state.step, "", {}, {}, "", {}, {})


if __name__ == "__main__":
    typer.run(main)
