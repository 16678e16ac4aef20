"""The cost of the algorithms: conv4 with five inner steps, tasks/s on one core beside MAML's.

conv4 with 64 filters, stride 2, 28x28 images, 5-way 1-shot, 5 queries a class, blocks of 4, in one
process with one thread. The algorithms take turns, so that a noisy machine disturbs all alike.

    python benchmarks/speed/algorithms.py [--rounds 7] [--blocks 3]
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # for synthetic.py
from synthetic import overrides as noise_overrides
from synthetic import write_noise

from orchestrator.config.schema import load
from orchestrator.outer.blocks import train_blocks
from workers.execution import runtime

KINDS = {
    "MAML": ["algorithm.kind=maml"],
    "FOMAML": ["algorithm.kind=maml", "algorithm.first_order=true"],
    "ANIL": ["algorithm.kind=anil"],
    "BOIL": ["algorithm.kind=boil"],
    "Meta-SGD": ["algorithm.kind=meta_sgd"],
    "Reptile": ["algorithm.kind=reptile"],
}


def main() -> None:
    """Print tasks/s of each, the median over rounds, and its ratio to MAML in the same rounds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--blocks", type=int, default=3)
    arguments = parser.parse_args()
    runtime.start_tensorflow(0)
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "noise.parquet")
        write_noise(source)
        runs = {name: make_run(source, folder, overrides) for name, overrides in KINDS.items()}
        speeds: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(arguments.rounds):
            for name, (runner, weights, blocks) in runs.items():
                chosen = blocks[: arguments.blocks]
                started = time.perf_counter()
                for block in chosen:
                    runner.run(weights, block)
                tasks = sum(block.hi - block.lo for block in chosen)
                speeds[name].append(tasks / (time.perf_counter() - started))
    for name, values in speeds.items():
        ratios = [a / b for a, b in zip(values, speeds["MAML"], strict=True)]
        print(f"{name}: {statistics.median(values):.1f} tasks/s, {statistics.median(ratios):.2f} x")


def make_run(source: Path, folder: str, overrides: list[str]):  # type: ignore[no-untyped-def]
    """Make a traced runner, its weights, and the blocks of a step."""
    from workers.block import BlockRunner
    from workers.meta_parameters import initial
    from workers.tasks.registry import make_family
    from workers.wire.protocol import Weights
    from workers.wire.tensors import to_vector

    config, _ = load(
        "omniglot-5w1s",
        [
            *overrides,
            *noise_overrides(source, folder),
            "algorithm.inner_lr=0.1",
            "algorithm.inner_steps=5",
        ],
    )
    family = make_family(config.task)
    runner, start = BlockRunner(config.worker, family), initial(config.worker, family)
    weights = Weights(to_vector(start.theta), to_vector(start.carry), 0)
    blocks = train_blocks(config, family, 0)
    runner.run(weights, blocks[0])
    return runner, weights, blocks


if __name__ == "__main__":
    main()
