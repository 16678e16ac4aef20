"""Runs that take a moment: small configurations, and pools that misbehave."""

import copy
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestrator import config as configuration
from orchestrator.config import MetaConfig
from orchestrator.launch import Launch
from orchestrator.pool import InProcessPool
from workers import runtime
from workers.block import BlockRunner
from workers.errors import PoolError
from workers.protocol import Block, Contribution, Vector
from workers.tasks.registry import make_family

SINUSOID: dict[str, Any] = {
    "name": "small",
    "task": {"kind": "sinusoid", "shots": 5, "queries": 5},
    "model": {"kind": "mlp", "hidden": [8]},
    "algorithm": {"kind": "maml", "inner_lr": 0.05},
    "outer": {"lr": 0.01, "meta_batch_size": 7, "steps": 12},
    "workers": {"count": 0, "block_size": 2},
    "evaluation": {"tasks": 6, "validation_tasks": 5, "every": 4, "inner_steps": [1, 3]},
    "checkpoint": {"every": 4, "keep": 2},
    # XLA takes a second per graph to compile; the default is tested where it matters.
    "runtime": {"xla": False},
}
IMAGES: dict[str, Any] = {
    **SINUSOID,
    "task": {"kind": "images", "ways": 3, "shots": 1, "queries": 1, "image_size": 16},
    "model": {"kind": "conv4", "filters": 4},
    "algorithm": {"kind": "maml", "inner_lr": 0.1},
    "outer": {"lr": 0.01, "meta_batch_size": 5, "steps": 12},
}
REPTILE = ["algorithm.kind=reptile", "outer.optimizer=sgd", "outer.lr=0.5"]
REPTILE_ADAM = [
    *REPTILE,
    "algorithm.inner_optimizer=adam",
    "algorithm.inner_batch=3",
    "outer.schedule=linear",
]


def sinusoid(*overrides: str) -> MetaConfig:
    return changed(SINUSOID, *overrides)


def images(source: Path, cache: Path, *overrides: str) -> MetaConfig:
    return changed(IMAGES, f"task.path={source}", f"task.cache={cache}", *overrides)


def changed(table: dict[str, Any], *overrides: str) -> MetaConfig:
    table = copy.deepcopy(table)
    for text in overrides:
        configuration.set_key(table, *configuration.parse_override(text))
    return configuration.validate(table)


def in_process(config: MetaConfig) -> Launch:
    """What `launch` gives for workers.count = 0, without its messages."""
    family = make_family(config.task)
    pool = InProcessPool(BlockRunner(config.worker, family))
    return Launch(config, family, pool, "a test", runtime.fingerprint(family.digest))


class ShuffledPool:
    """Blocks are run in a random order and come back in another one."""

    name = "shuffled"
    replaced = 0

    def __init__(self, pool: Any, seed: int = 0):
        self._pool, self._random = pool, random.Random(seed)

    def run(self, theta: Vector, blocks: Sequence[Block]) -> list[Contribution]:
        order = self._random.sample(list(blocks), len(blocks))
        contributions = [self._pool.run(theta, [block])[0] for block in order]
        self._random.shuffle(contributions)
        return contributions

    def close(self) -> None:
        self._pool.close()


class TwicePool(ShuffledPool):
    """Every block is run twice, as after an actor that died with its answer; the second counts."""

    name = "twice"

    def run(self, theta: Vector, blocks: Sequence[Block]) -> list[Contribution]:
        super().run(theta, blocks)
        return super().run(theta, blocks)


class BreakingPool(ShuffledPool):
    """At one step, dies after its first block."""

    name = "breaking"

    def __init__(self, pool: Any, step: int):
        super().__init__(pool)
        self._step = step

    def run(self, theta: Vector, blocks: Sequence[Block]) -> list[Contribution]:
        if blocks[0].step == self._step:
            self._pool.run(theta, blocks[:1])
            raise PoolError(f"nobody is left at step {self._step}")
        return super().run(theta, blocks)
