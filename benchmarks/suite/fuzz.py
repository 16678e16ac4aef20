"""Hostile and damaged inputs for every command that reads a file.

    python benchmarks/suite/fuzz.py

Each input is a valid file with a few changes, drawn from a seed, and is given to the command line:
many in one process, and again in a separate process if anything seems wrong (fuzz_batches.py; with
--batch 1 each has its own process). Required: an exit code that README names, one line for an error
and no traceback, an answer within 30 s and 2 GB, and no existing file changed.
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
    """Run the inputs; return 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS)
    parser.add_argument("--number", type=int, help="number of an input of --kind, to run it again")
    parser.add_argument("--batch", type=int, default=200, help="inputs in one process")
    arguments = parser.parse_args()
    console = Console(highlight=False, width=200)
    for name in _LIBRARIES:
        importlib.import_module(name)
    with tempfile.TemporaryDirectory(prefix="fuzz") as folder:
        material = make_material(Path(folder, "material"), fuzz_run.in_child)
        before = digest(material)
        if arguments.number is not None:
            print(run(material, arguments.kind, arguments.seed, arguments.number, show=True))
            return 0
        planned = list(plan(arguments.inputs, arguments.kind))
        began = time.monotonic()
        ran = fuzz_batches.outcomes(material, arguments.seed, planned, arguments.batch)
        outcomes = list(track(ran, total=len(planned), console=Console(stderr=True)))
        seconds = time.monotonic() - began
        overwritten = digest(material) != before
    report(console, outcomes, seconds, overwritten)
    return int(overwritten or any(outcome.problem for outcome in outcomes))


def digest(folder: Path) -> str:
    """Return a digest of all files below a folder."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            total.update(json.dumps(str(path)).encode() + path.read_bytes())
    return total.hexdigest()


def report(console: Console, outcomes: list[Outcome], seconds: float, overwritten: bool) -> None:
    """Print a line for each kind, and every problem with the options that repeat it."""
    for kind in KINDS:
        of_kind = [outcome for outcome in outcomes if outcome.kind == kind]
        if not of_kind:
            continue
        codes = Counter(outcome.code for outcome in of_kind)
        wrong = sum(bool(outcome.problem) for outcome in of_kind)
        console.print(
            f"{kind}: {len(of_kind)} inputs, exit codes {dict(sorted(codes.items()))}, slowest "
            f"{max(outcome.seconds for outcome in of_kind):.1f} s, most memory "
            f"{max(outcome.bytes for outcome in of_kind) / 1e6:.0f} MB, problems {wrong}"
        )
    for outcome in outcomes:
        if outcome.problem:
            again = f"--kind '{outcome.kind}' --number {outcome.number}"
            console.print(f"{outcome.problem}: {again}: {outcome.last_line}", markup=False)
    console.print(
        f"{len(outcomes)} inputs in {seconds:.0f} s, "
        f"{sum(bool(outcome.problem) for outcome in outcomes)} problems"
        f"{', and the material was changed' if overwritten else ''}"
    )


if __name__ == "__main__":
    sys.exit(main())
