"""Hostile and damaged inputs for every command that reads a file.

    python benchmarks/suite/fuzz.py

Each input is a valid file with a few changes, drawn from a seed, and is given to the command line:
many in one process, and again in a process of its own where anything seems wrong (fuzz_batches.py;
with --batch 1 each has its own). Wanted: an exit code that README names, one line for a refusal and
no traceback, an answer within 30 s and 2 GB, and nothing that was there changed.
"""

import argparse
import hashlib
import importlib
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import fuzz_batches
import fuzz_run
from fuzz_inputs import KINDS, make_material, plan
from fuzz_run import Outcome, run
from rich.console import Console
from rich.progress import track

# Imported once, before the forks: each takes seconds.
_LIBRARIES = (
    "keras",
    "tensorflow",
    "orchestrator.run.launch",
    "orchestrator.run.training_run",
    "workers.block",
)


def main() -> int:
    """Run it; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--number", type=int, help="of one input of --kind, to see it again")
    parser.add_argument("--batch", type=int, default=200, help="inputs in one process")
    given = parser.parse_args()
    console = Console(highlight=False, width=200)
    for name in _LIBRARIES:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        material = make_material(Path(folder, "material"), fuzz_run.in_child)
        before = digest(material)
        if given.number is not None:
            print(run(material, given.kind, given.seed, given.number, show=True))
            return 0
        planned = list(plan(given.inputs, given.kind))
        began = time.monotonic()
        ran = fuzz_batches.outcomes(material, given.seed, planned, given.batch)
        outcomes = list(track(ran, total=len(planned), console=Console(stderr=True)))
        took = time.monotonic() - began
        overwritten = digest(material) != before
    tell(console, outcomes, took, overwritten)
    return int(overwritten or any(outcome.problem for outcome in outcomes))


def digest(folder: Path) -> str:
    """Of all files below it."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(json.dumps(str(path)).encode() + path.read_bytes())
    return total.hexdigest()


def tell(console: Console, outcomes: list[Outcome], took: float, overwritten: bool) -> None:
    """A line for each kind, and every problem with how to see it again."""
    for kind in KINDS:
        ours = [outcome for outcome in outcomes if outcome.kind == kind]
        if not ours:
            continue
        codes = Counter(outcome.code for outcome in ours)
        wrong = sum(bool(outcome.problem) for outcome in ours)
        console.print(
            f"{kind}: {len(ours)} inputs, exit codes {dict(sorted(codes.items()))}, slowest "
            f"{max(outcome.seconds for outcome in ours):.1f} s, most memory "
            f"{max(outcome.bytes for outcome in ours) / 1e6:.0f} MB, problems {wrong}"
        )
    for outcome in outcomes:
        if outcome.problem:
            again = f"--kind '{outcome.kind}' --number {outcome.number}"
            console.print(f"{outcome.problem}: {again}: {outcome.last_line}", markup=False)
    console.print(
        f"{len(outcomes)} inputs in {took:.0f} s, "
        f"{sum(bool(outcome.problem) for outcome in outcomes)} problems"
        f"{', and the material was changed' if overwritten else ''}"
    )


if __name__ == "__main__":
    sys.exit(main())
