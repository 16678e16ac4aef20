"""Resident memory over 10 000 outer steps, in process and on actors: it should stay flat.

python benchmarks/memory.py [--steps 10000] [--workers 0]
"""

import argparse
from pathlib import Path

from orchestrator.config.schema import load


def main() -> None:
    """Print the resident memory of the driver and the actors ten times in the run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=0)
    arguments = parser.parse_args()
    overrides = [
        f"outer.steps={arguments.steps}",
        f"workers.count={arguments.workers}",
        "workers.block_size=5",
    ]
    config, _ = load("sinusoid", overrides)
    from workers.tasks.registry import make_family

    family = make_family(config.task)
    from orchestrator.run.launch import launch

    launched = launch(config, family, {})
    from orchestrator.loop import meta_train
    from orchestrator.outer.update import OuterUpdate

    pids = launched.pool.pids() if arguments.workers else []
    outer = OuterUpdate(config.outer, launched.initial_state())
    for report in meta_train(config, family, launched.pool, outer):
        if report.step % (arguments.steps // 10) == 0:
            actors = " ".join(f"{resident_mb(pid):.1f}" for pid in pids)
            print(f"step {report.step}: driver {resident_mb('self'):.1f} MB  actors {actors}")
    launched.close()


def resident_mb(pid: int | str) -> float:
    """Return the resident memory of a process in MB, from /proc."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    main()
