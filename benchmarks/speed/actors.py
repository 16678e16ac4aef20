"""The cost of Ray: conv4 MAML on two actors against two separate processes, in one run.

conv4 with 64 filters, stride 2, 28x28 images, 5-way 1-shot, 15 queries a class, one inner step,
second order, 32 tasks an outer step in blocks of 4: the whole loop (sampling, outer Adam step) on
two single-thread Ray actors, against two single-thread processes that only run blocks, without
Ray and without a driver. They take turns, so that a noisy machine disturbs both alike.

    python benchmarks/speed/actors.py [--rounds 5] [--steps 20]
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1]))  # for synthetic.py
import ours
from matmul import best_gflops
from processes import Team
from synthetic import overrides as noise_overrides
from synthetic import write_noise

from orchestrator.config.schema import MetaConfig, load
from orchestrator.outer.blocks import train_blocks

NUM_PROCESSES = 2


def main() -> None:
    """Print tasks/s of both, their ratio, and the core's matmul rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder, "noise.parquet")
        write_noise(source)
        measure(make_config(source, folder), arguments.rounds, arguments.steps)


def make_config(source: Path, folder: str) -> MetaConfig:
    """Load the job that both sides run."""
    overrides = [
        *noise_overrides(source, folder),
        "task.queries=15",
        "workers.count=2",
        "outer.schedule=constant",
        "outer.meta_batch_size=32",
    ]
    return load("omniglot-5w1s", overrides)[0]


def measure(config: MetaConfig, rounds: int, steps: int) -> None:
    """Run both sides in turn, and print their rates."""
    from workers.tasks.registry import make_family

    family = make_family(config.task)  # decodes once, before the processes open the cache
    work = []
    for index in range(NUM_PROCESSES):
        blocks = train_blocks(config, family, index)
        work.append((config, blocks[: len(blocks) // NUM_PROCESSES]))
    team = Team(ours.make, work)

    from orchestrator.run.launch import launch

    launched = launch(config, family, {})
    from orchestrator.loop import meta_train
    from orchestrator.outer.update import OuterUpdate

    outer = OuterUpdate(config.outer, launched.initial_state())
    loop = meta_train(config, family, launched.pool, outer)
    for _ in range(5):
        next(loop)

    separate, actors = [], []
    for number in range(rounds):
        separate.append(team.rate(steps))
        started = time.perf_counter()
        for _ in range(steps):
            next(loop)
        actors.append(steps * config.outer.meta_batch_size / (time.perf_counter() - started))
        print(
            f"round {number + 1}: two processes {separate[-1]:.1f} tasks/s, "
            f"two actors {actors[-1]:.1f} tasks/s, ratio {actors[-1] / separate[-1]:.3f}"
        )
    ratios = [a / s for a, s in zip(actors, separate, strict=True)]
    print(
        f"median: two processes {statistics.median(separate):.1f}, two actors "
        f"{statistics.median(actors):.1f} tasks/s; ratio {statistics.median(ratios):.3f}; "
        f"one core's matmul {best_gflops():.0f} GFLOP/s"
    )
    team.close()
    launched.close()


if __name__ == "__main__":
    main()
