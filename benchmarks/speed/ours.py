"""metatrain's side of the benchmarks, without Ray: a process that runs blocks."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from peers.check import NUM_ALONE, Gradients
from processes import Work

from orchestrator.config.schema import MetaConfig
from workers.execution import runtime
from workers.wire.protocol import Block


def make(config: MetaConfig, blocks: Sequence[Block]) -> Work:
    """Make work whose step is `BlockRunner.run` over `blocks`: all of an actor's work.

    The answer is theta, as a list of arrays, and the gradients that peers are checked against.
    """
    runtime.start_tensorflow(0)
    from workers.block import BlockRunner
    from workers.meta_parameters import initial
    from workers.tasks.registry import make_family
    from workers.wire.protocol import Weights
    from workers.wire.tensors import to_vector

    family = make_family(config.task)
    runner = BlockRunner(config.worker, family)
    start = initial(config.worker, family)
    weights = Weights(to_vector(start.theta), to_vector(start.carry), 0)

    def step() -> None:
        for block in blocks:
            runner.run(weights, block)

    total = np.sum([runner.run(weights, block).gradient for block in blocks], axis=0)
    first = blocks[0]
    size = first.hi - first.lo
    alone = [
        runner.run(weights, _copies(first, task)).gradient / size
        for task in range(min(NUM_ALONE, size))
    ]
    tasks = sum(block.hi - block.lo for block in blocks)
    return Work(step, tasks, (start.theta, Gradients(total, alone)))


def _copies(block: Block, task: int) -> Block:
    """Return the block with copies of its `task`-th task in place of all tasks."""
    chosen = [task] * (block.hi - block.lo)
    specs = {name: values[chosen] for name, values in block.specs.items()}
    return dataclasses.replace(block, specs=specs)
