"""How well faults never seen are told apart: MAML, joint training, and no training at all.

    python benchmarks/signals/make_bearings.py data/bearings
    python benchmarks/signals/compare.py [--set KEY=VALUE ...] [--out FILE]

One table: accuracy over the 600 test tasks of the preset `bearings`, with 95 % intervals, and
how long training and its test took. The rows:

- MAML, as the preset has it.
- Joint training of the same network on all training classes, then a new head and fine-tuning on the
  support set of each task; inner rate and steps are chosen on validation tasks.
- Nearest centroid: the logarithm of each window's spectrum, in 64 bands, made of length 1; a query
  is of the class whose mean of support spectra is nearest. Nothing is trained.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_PRESET = "bearings"
_BANDS = 64


class Row(NamedTuple):
    """accuracy, interval: shares over the test tasks, 1.96 standard errors. train_s: seconds."""

    name: str
    accuracy: float
    interval: float
    train_s: float


def trained(name: str, overrides: dict[str, Any]) -> Row:
    """Train and test a run in a folder of its own."""
    from ray.train import RunConfig

    from metatrain import MetaTrainer

    with tempfile.TemporaryDirectory() as folder:
        run_config = RunConfig(storage_path=folder, name="run")
        began = time.monotonic()
        result = MetaTrainer(_PRESET, overrides=overrides, run_config=run_config).fit()
        seconds = time.monotonic() - began
    found = result.metrics
    return Row(name, found["test_accuracy"], found["test_accuracy_ci95"], seconds)


def nearest_centroid(overrides: dict[str, Any]) -> Row:
    """Spectra of the same test tasks."""
    from orchestrator.config import schema as configuration
    from orchestrator.outer.blocks import held_out_blocks
    from workers.tasks.registry import make_family
    from workers.wire.protocol import Recipe

    config, _ = configuration.load(_PRESET, overrides)
    family = make_family(config.task)
    found = []
    for block in held_out_blocks(config, family, "test", config.evaluation.tasks, Recipe(1.0, 1)):
        episode = family.build(block.specs)
        for support, labels, queries, targets in zip(*episode, strict=True):
            spectra = _spectra(support)
            centroids = np.stack(
                [spectra[labels == way].mean(0) for way in range(labels.max() + 1)]
            )
            distances = ((_spectra(queries)[:, None] - centroids) ** 2).sum(-1)
            found.append(np.mean(distances.argmin(-1) == targets))
    error = 1.96 * np.std(found, ddof=1) / np.sqrt(len(found))
    return Row("spectrum, nearest centroid", float(np.mean(found)), float(error), 0.0)


def _spectra(windows: NDArray) -> NDArray:
    """[n, length, channels] -> [n, bands * channels], each of length 1."""
    shaped = windows * np.hanning(windows.shape[1])[:, None]
    power = np.abs(np.fft.rfft(shaped, axis=1))[:, 1:] ** 2
    bands = np.stack([part.mean(1) for part in np.array_split(power, _BANDS, axis=1)], axis=1)
    logs = np.log(bands + 1e-6).reshape(len(windows), -1)
    return logs / np.linalg.norm(logs, axis=1, keepdims=True)


def _shown(row: Row) -> str:
    minutes = f"{row.train_s / 60:.1f} min" if row.train_s else "none"
    return f"| {row.name} | {100 * row.accuracy:.1f} ± {100 * row.interval:.1f} % | {minutes} |"


def main() -> None:
    """Run the command."""
    from orchestrator.config.schema import parse_override

    parser = argparse.ArgumentParser(description="Compare methods on made-up bearings.")
    parser.add_argument("--set", action="append", default=[], dest="sets", metavar="KEY=VALUE")
    parser.add_argument("--out", type=Path, help="write the rows to this JSON file")
    asked = parser.parse_args()
    given = dict(map(parse_override, asked.sets))
    joint = {
        "algorithm.kind": "joint",
        "evaluation.inner_steps": [5, 20, 50],
        "evaluation.inner_lr": [0.01, 0.03, 0.1, 0.3],
    }
    rows = [
        nearest_centroid(given),
        trained("joint training + fine-tuning", {**joint, **given}),
        trained("MAML (the preset)", given),
    ]
    print("\n| method | accuracy over the test tasks | training and test |\n|---|---|---|")
    for row in rows:
        print(_shown(row))
    if asked.out is not None:
        asked.out.write_text(json.dumps([row._asdict() for row in rows]))


if __name__ == "__main__":
    main()
