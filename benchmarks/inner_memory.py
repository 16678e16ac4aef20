"""Memory, tracing time and speed of the inner loop by its number of steps and inner_memory.

python benchmarks/inner_memory.py [--steps 1 5 20 50 100] [--memory store recompute]

conv4 of 64 filters, MAML with second derivatives, 5-way 5-shot, 84x84 images of noise in colour,
15 queries a class, one task a block, one thread. Each row is measured in a process of its own.
"peak" is the largest resident memory beyond that of the process before it traces; "trace" is the
time to make the graph; "gradient" the norm of the outer gradient, which shows that rows agree.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import numpy as np

from workers.algorithms.maml import MamlAlgorithm
from workers.execution import runtime
from workers.models.conv4 import Conv4Model
from workers.settings.images_task import ImagesTask
from workers.settings.worker import ActorSettings, RuntimeSettings
from workers.wire.protocol import Block, Draw, Episode, Weights

WAYS = 5
#: A row whose tasks take longer than this is measured by a single one.
LONG_S = 10.0


class NoiseFamily:
    """Images of noise around a mean of their class."""

    loss, picture, digest = "cross_entropy", "image_episode", "noise"
    num_outputs, num_train_classes, num_tokens = WAYS, None, None

    def __init__(self, size: int):
        self.input_shape = (size, size, 3)

    def sample(self, draw: Draw, lo: int, hi: int, shots: int, queries: int) -> Any:
        """Draw the seed of each task, and note its sizes."""
        seeds = [draw.generator(task).integers(2**31) for task in range(lo, hi)]
        return {"seed": np.array(seeds), "sizes": np.array([[shots, queries]] * (hi - lo))}

    def build(self, specs: Any, *, global_labels: bool = False) -> Episode:
        """Make images float32 [tasks, examples, *input_shape] and classes int32."""
        tasks = [self._task(*row) for row in zip(specs["seed"], specs["sizes"], strict=True)]
        return Episode(*map(np.stack, zip(*tasks, strict=True)))

    def _task(self, seed: int, sizes: Any) -> tuple[Any, ...]:
        rng, arrays = np.random.default_rng(seed), []
        means = rng.normal(size=(WAYS, 1, *self.input_shape))
        for number in sizes:
            images = means + rng.normal(size=(WAYS, number, *self.input_shape))
            arrays.append(images.reshape(-1, *self.input_shape).astype(np.float32))
            arrays.append(np.repeat(np.arange(WAYS, dtype=np.int32), number))
        return tuple(arrays)


def measure(memory: Any, inner_steps: int, size: int, micro_batch: int | None) -> dict[str, Any]:
    """Measure one row in this process."""
    runtime.start_tensorflow(0)
    from workers.block import BlockRunner
    from workers.meta_parameters import initial
    from workers.wire.tensors import to_vector

    settings = ActorSettings(
        task=ImagesTask(ways=WAYS, shots=5, queries=15),
        model=Conv4Model(normalization="none" if micro_batch else "batch"),
        algorithm=MamlAlgorithm(inner_lr=0.01, inner_steps=inner_steps),
        runtime=RuntimeSettings(inner_memory=memory, micro_batch=micro_batch),
    )
    family: Any = NoiseFamily(size)
    runner, start = BlockRunner(settings, family), initial(settings, family)
    weights = Weights(to_vector(start.theta), to_vector(start.carry), 0)
    blocks = [
        Block("train", i, 0, 0, 1, family.sample(Draw(0, "train", i), 0, 1, 5, 15))
        for i in range(3)
    ]
    tasks, _ = runner._build(blocks[0])
    idle = _peak_bytes()
    began = time.perf_counter()
    runner.training.graph_of(0, tasks)
    trace_s = time.perf_counter() - began
    gradient = runner.run(weights, blocks[0]).gradient
    seconds = [runner.run(weights, block).seconds for block in blocks[1:2]]
    if seconds[0] < LONG_S:
        seconds += [runner.run(weights, block).seconds for block in blocks * 2]
    return {
        "memory": memory,
        "steps": inner_steps,
        "peak_mb": (_peak_bytes() - idle) / 1e6,
        "trace_s": trace_s,
        "tasks_per_s": 1 / float(np.median(seconds)),
        "gradient": float(np.linalg.norm(gradient)),
    }


def main() -> None:
    """Print a row for each number of steps and each inner_memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, nargs="+", default=[1, 5, 20, 50, 100])
    parser.add_argument("--memory", nargs="+", default=["store", "recompute"])
    parser.add_argument("--size", type=int, default=84, help="pixels of an image's side")
    parser.add_argument("--micro-batch", type=int, help="runtime.micro_batch, without batch norm")
    parser.add_argument("--limit-s", type=float, default=1800.0, help="for a row")
    parser.add_argument("--row", action="store_true", help="measure one row here, print JSON")
    arguments = parser.parse_args()
    if arguments.row:
        row = arguments.memory[0], arguments.steps[0], arguments.size, arguments.micro_batch
        print(json.dumps(measure(*row)))
        return
    print("memory     steps  peak MB  trace s  tasks/s  gradient", flush=True)
    for steps in arguments.steps:
        for memory in arguments.memory:
            print(_row(arguments, memory, steps), flush=True)


def _row(arguments: argparse.Namespace, memory: str, steps: int) -> str:
    """Measure a row in a process of its own."""
    command = [sys.executable, __file__, "--row", "--steps", str(steps), "--memory", memory]
    command += ["--size", str(arguments.size)]
    if arguments.micro_batch:
        command += ["--micro-batch", str(arguments.micro_batch)]
    start = f"{memory:10} {steps:5}"
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=arguments.limit_s, check=True
        )
    except subprocess.TimeoutExpired:
        return f"{start}  longer than {arguments.limit_s:g} s"
    except subprocess.CalledProcessError as error:
        return f"{start}  failed: {(error.stderr.strip().splitlines() or [str(error)])[-1]}"
    row = json.loads(done.stdout.splitlines()[-1])
    return (
        f"{start} {row['peak_mb']:8.0f} {row['trace_s']:8.2f} {row['tasks_per_s']:8.3f} "
        f"{row['gradient']:9.6f}"
    )


def _peak_bytes() -> int:
    """Return the largest resident memory that this process has had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


if __name__ == "__main__":
    main()
