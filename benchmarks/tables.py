"""Synthetic tables of measurements, to try the `table` family without public data.

    python benchmarks/tables.py sensors sensors.csv
    python benchmarks/tables.py machines machines.csv
    python benchmarks/tables.py baseline RUN

`sensors`: each sensor shows a concentration with its own gain, offset, curvature and dependence on
temperature. `machines`: each machine has its own normal vibration and current, from which its
states differ in directions that all machines share. `baseline`: ridge regression (on 0 and 1 for
classes) on the support rows alone, on a run's own test tasks.
"""

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

STATES = ("normal", "unbalanced", "worn")
_RIDGES = (0.01, 0.1, 1.0, 10.0)


def sensors(number: int = 300, rows: int = 40, seed: int = 0) -> pa.Table:
    """Make sensor, reading mV, temperature °C, humidity %, battery V, concentration ppm."""
    rng = np.random.default_rng(seed)
    shape = (number, rows)
    gain, offset = rng.uniform(0.5, 2, (number, 1)), rng.uniform(-30, 30, (number, 1))
    bend, drift = rng.uniform(0.6, 1.4, (number, 1)), rng.normal(0, 0.6, (number, 1))
    concentration = rng.uniform(0, 100, shape)
    temperature = rng.normal(20, 6, shape)
    reading = offset + 100 * gain * (concentration / 100) ** bend + drift * (temperature - 20)
    reading += rng.normal(0, 1, shape)
    columns = {
        "reading": reading,
        "temperature": temperature,
        "humidity": rng.uniform(20, 90, shape),
        "battery": rng.uniform(3.0, 4.2, shape),
        "concentration": concentration,
    }
    return _table("sensor", columns)


def machines(number: int = 200, rows: int = 45, seed: int = 0) -> pa.Table:
    """Make machine, vibrations x, y, z mm/s, current A, temperature °C, state (of STATES)."""
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(len(STATES), 5))
    normal = rng.normal(0, 3, (number, 1, 5))
    size = rng.uniform(0.5, 1.5, (number, 1, 1))
    state = rng.permuted(np.tile(np.arange(rows) % len(STATES), (number, 1)), axis=1)
    values = normal + size * directions[state] + rng.normal(0, 0.7, (number, rows, 5))
    scale, level = np.array([1, 1, 1, 2, 4]), np.array([10, 10, 10, 15, 60])
    names = ("x", "y", "z", "current", "temperature")
    columns = dict(zip(names, np.moveaxis(level + scale * values, -1, 0), strict=True))
    return _table("machine", {**columns, "state": np.array(STATES)[state]})


def _table(task: str, columns: dict[str, NDArray]) -> pa.Table:
    """Make the table of all tasks, with four decimals."""
    number, rows = next(iter(columns.values())).shape
    names = np.repeat([f"{task[0]}{i:03d}" for i in range(number)], rows)
    flat = {name: values.ravel() for name, values in columns.items()}
    rounded = {n: v.round(4) if v.dtype.kind == "f" else v for n, v in flat.items()}
    return pa.table({task: names, **rounded})


def baseline(run: str) -> None:
    """Print the error, or accuracy, of least squares with a ridge on the support rows alone.

    The ridge is chosen on the run's validation tasks.
    """
    from orchestrator.config import schema as configuration
    from orchestrator.outer.blocks import held_out_blocks
    from workers.tasks.registry import make_family
    from workers.wire.protocol import Episode, Recipe

    config, _ = configuration.load(f"{run}/config.toml")
    family = make_family(config.task)

    def scores(split: str, ridge: float) -> NDArray:
        number = config.evaluation.tasks if split == "test" else config.evaluation.validation_tasks
        blocks = held_out_blocks(config, family, split, number, Recipe(1.0, 1))
        episodes = [family.build(block.specs) for block in blocks]
        tasks = Episode(*(np.concatenate(parts) for parts in zip(*episodes, strict=True)))
        return np.array([_score(Episode(*task), ridge) for task in zip(*tasks, strict=True)])

    classifies = family.loss == "cross_entropy"
    best = max(_RIDGES, key=lambda r: scores("validation", r).mean() * (1 if classifies else -1))
    tested = scores("test", best)
    error = 1.96 * tested.std(ddof=1) / np.sqrt(len(tested))
    name = "accuracy" if classifies else "loss"
    print(f"{name} {tested.mean():.4f} ± {error:.4f}, ridge {best:g}, {len(tested)} test tasks")


def _score(task, ridge: float) -> float:
    """Return a task's mean squared error, or its accuracy with classes as targets of 1 and 0."""
    classifies = task.support_targets.dtype == np.int32
    targets = task.support_targets
    if classifies:
        targets = np.eye(targets.max() + 1)[targets]
    mean_x, mean_y = task.support_inputs.mean(0), targets.mean(0)
    x = (task.support_inputs - mean_x).astype(np.float64)
    weights = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ (targets - mean_y))
    predicted = (task.query_inputs - mean_x) @ weights + mean_y
    if classifies:
        return float(np.mean(predicted.argmax(-1) == task.query_targets))
    return float(np.mean(np.square(predicted - task.query_targets)))


def main() -> None:
    """Run the command line."""
    what, path = sys.argv[1:]
    if what == "baseline":
        baseline(path)
    else:
        csv.write_csv({"sensors": sensors, "machines": machines}[what](), Path(path))


if __name__ == "__main__":
    main()
