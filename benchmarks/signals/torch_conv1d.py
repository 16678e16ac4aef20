"""Throughput of the conv1d model beside a PyTorch loop, in one run on the same cores.

    python benchmarks/signals/torch_conv1d.py [--set KEY=VALUE ...] [--seconds S]

PyTorch is no dependency: pip install torch. Both compute the sum of second-order MAML's outer
gradients over the same tasks of the preset `signals` on made-up signals (1 channel, 256 samples,
5-way 5-shot, 5 queries, 4 blocks of 64 channels), from the same theta, with one thread; then both
run in two processes of one thread each. It prints how far the gradients are apart, and tasks/s.

PyTorch's side is what a person would write: a loop over tasks, torch.autograd.grad with
create_graph, conv1d and batch_norm as PyTorch has them. Its padding is written out, since "same"
of an even length and stride 2 pads after the last sample in TensorFlow.
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_LENGTH, _CLASSES, _RECORDINGS = 256, 20, 20
_EPSILON = 1e-3
_WARM_UP = 2


def source(folder: Path) -> Path:
    """Noise with a label: what it is makes no difference to the time it takes."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(_CLASSES * _RECORDINGS, _LENGTH)).astype(np.float32)
    file = folder / "noise.npz"
    np.savez(file, x=x, y=np.repeat(np.arange(_CLASSES), _RECORDINGS))
    return file


def problem(file: Path, sets: Sequence[str]) -> tuple[Any, Any, Any]:
    """Return the configuration, one step's block, and its episodes."""
    from orchestrator.config import schema as configuration
    from workers.tasks.registry import make_family
    from workers.wire.protocol import Block, Draw

    config, _ = configuration.load("signals", [f"task.path={file}", *sets])
    family = make_family(config.task)
    number, task = config.outer.meta_batch_size, config.task
    specs = family.sample(Draw(0, "train", 0), 0, number, task.shots, task.queries)
    block = Block("train", 0, 0, 0, number, specs)
    return config, block, family


def ours(config: Any, block: Any, family: Any) -> tuple[Callable[[], NDArray], list[NDArray]]:
    """Return the step, and theta by layer."""
    from workers.block import BlockRunner
    from workers.execution import runtime
    from workers.meta_parameters import initial
    from workers.wire.protocol import Weights
    from workers.wire.tensors import to_vector

    runtime.start_tensorflow(0)
    runner = BlockRunner(config.worker, family)
    start = initial(config.worker, family)
    weights = Weights(to_vector(start.theta), to_vector(start.carry), 0)
    return lambda: runner.run(weights, block).gradient, [np.asarray(w) for w in start.theta]


def theirs(config: Any, episode: Any, theta: Sequence[NDArray]) -> Callable[[], NDArray]:
    """Return the same step in PyTorch."""
    import torch
    from torch.nn import functional as F  # noqa: N812

    torch.set_num_threads(1)
    stride, kernel = config.model.stride, config.model.kernel
    weights = [
        torch.tensor(np.ascontiguousarray(w[0].transpose(2, 1, 0) if w.ndim == 4 else w))
        for w in theta
    ]
    weights = [w.requires_grad_() for w in weights]
    tensors = [torch.tensor(np.ascontiguousarray(each)) for each in episode]
    tensors = [t.transpose(-1, -2).contiguous() if t.ndim == 4 else t.long() for t in tensors]

    def logits(w: Sequence[Any], signals: Any) -> Any:
        hidden = signals
        for conv, gamma, beta in zip(w[:-2:3], w[1:-2:3], w[2:-2:3], strict=True):
            missing = (-(-hidden.shape[-1] // stride) - 1) * stride + kernel - hidden.shape[-1]
            missing = max(0, missing)
            hidden = F.pad(hidden, (missing // 2, missing - missing // 2))
            hidden = F.conv1d(hidden, conv, stride=stride)
            hidden = F.relu(F.batch_norm(hidden, None, None, gamma, beta, True, eps=_EPSILON))
        return torch.addmm(w[-1], hidden.mean(-1), w[-2])

    rate = config.algorithm.inner_lr

    def step() -> NDArray:
        total = [torch.zeros_like(w) for w in weights]
        for x, y, query_x, query_y in zip(*tensors, strict=True):
            loss = F.cross_entropy(logits(weights, x), y)
            inner = torch.autograd.grad(loss, weights, create_graph=True)
            adapted = [w - rate * g for w, g in zip(weights, inner, strict=True)]
            outer = F.cross_entropy(logits(adapted, query_x), query_y)
            torch._foreach_add_(total, torch.autograd.grad(outer, weights))
        arrays = [g.numpy() for g in total]
        return np.concatenate(
            [(a.transpose(2, 1, 0) if a.ndim == 3 else a).reshape(-1) for a in arrays]
        )

    return step


class Measured(NamedTuple):
    """rate: tasks a second. cpu_ms: of a task, which other work on the machine changes less."""

    rate: float
    cpu_ms: float
    gradient: NDArray


def _measure(step: Callable[[], NDArray], tasks: int, seconds: float) -> Measured:
    for _ in range(_WARM_UP):
        gradient = step()
    began, cpu_began, number = time.perf_counter(), time.process_time(), 0
    while time.perf_counter() - began < seconds:
        gradient = step()
        number += tasks
    cpu_ms = 1e3 * (time.process_time() - cpu_began) / number
    return Measured(number / (time.perf_counter() - began), cpu_ms, gradient)


def _side(who: str, core: int, file: Path, sets: Sequence[str], seconds: float) -> Measured:
    """One process of a side, on one core."""
    os.sched_setaffinity(0, {core})
    config, block, family = problem(file, sets)
    # The initial weights are a function of the seed: both sides make them with our code.
    step, theta = ours(config, block, family)
    if who == "PyTorch":
        step = theirs(config, family.build(block.specs), theta)
    return _measure(step, block.hi - block.lo, seconds)


def together(who: str, cores: int, *arguments: Any) -> Measured:
    """As many processes at once: their tasks a second, and one's gradient and time."""
    context = multiprocessing.get_context("spawn")
    of_this = sorted(os.sched_getaffinity(0))[:cores]
    with ProcessPoolExecutor(cores, context) as processes:
        found = [
            side.result()
            for side in [processes.submit(_side, who, core, *arguments) for core in of_this]
        ]
    return found[0]._replace(rate=sum(each.rate for each in found))


def main() -> None:
    """Run the command."""
    import tempfile

    parser = argparse.ArgumentParser(description="conv1d here and in a PyTorch loop.")
    parser.add_argument("--set", action="append", default=[], dest="sets", metavar="KEY=VALUE")
    parser.add_argument("--seconds", type=float, default=20.0, help="that each is measured")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        file = source(Path(folder))
        for cores in (1, 2):
            found = {
                who: together(who, cores, file, asked.sets, asked.seconds)
                for who in ("metatrain", "PyTorch")
            }
            here, there = found.values()
            error = np.linalg.norm(there.gradient - here.gradient) / np.linalg.norm(here.gradient)
            print(
                f"{cores} process(es) of one thread: metatrain {here.rate:.0f} tasks/s, PyTorch "
                f"loop {there.rate:.0f} tasks/s, ratio {here.rate / there.rate:.2f} (by CPU time "
                f"{there.cpu_ms / here.cpu_ms:.2f}); gradients differ by {error:.1e}"
            )


if __name__ == "__main__":
    main()
