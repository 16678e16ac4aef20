"""2-D navigation: MAML beside joint training with fine-tuning, and an oracle.

    python benchmarks/navigation.py [--steps 200] [--workers N] [--out DIR]

Both train for the same number of steps, by the preset `navigation`, and choose the inner rate among
the same ones on validation tasks. The oracle knows the goal, and takes the longest allowed steps
that do not pass it.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

METHODS = {
    "MAML": [],
    "joint + fine-tuning": ["algorithm.kind=joint", "evaluation.later_lr=0.25"],  # as the preset
}
RATES = "evaluation.inner_lr=[0.005,0.01,0.015,0.02,0.05]"


def train(name: str, changes: list[str], steps: int, workers: str, out: Path) -> dict:
    """Train a run unless it exists, and return its evaluation.json."""
    folder = out / name.split()[0].lower()
    if not (folder / "evaluation.json").is_file():
        sets = [f"outer.steps={steps}", RATES, *changes]
        command = [sys.executable, "-m", "metatrain", "train", "navigation", "--out", str(folder)]
        command += ["--workers", workers, *(word for text in sets for word in ("--set", text))]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return json.loads((folder / "evaluation.json").read_text())


def main(
    steps: Annotated[int, typer.Option(help="Outer steps of each.")] = 200,
    workers: Annotated[str, typer.Option(help="Ray actors; 0: in this process.")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/navigation-peers"),
) -> None:
    """Train the runs that do not exist yet, and print a row for each."""
    oracle = 0.0
    for name, changes in METHODS.items():
        result = train(name, changes, steps, workers, out)
        protocol = result["protocol"]
        oracle = protocol["oracle_return"]
        scores = " / ".join(
            f"{s['return']:.2f} ± {s['return_ci95']:.2f}" for s in result["per_step"]
        )
        chosen = f"{result['checkpoint']}, inner lr {protocol['inner_lr']:g}"
        print(f"{name}: {scores} after 0, 1, ... inner steps ({chosen})")
    print(f"oracle: {oracle:.2f}")


if __name__ == "__main__":
    typer.run(main)
