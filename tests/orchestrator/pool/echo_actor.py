"""Actors that compute nothing: for what Ray does, without what TensorFlow takes to start."""

import os
import time
from pathlib import Path

import numpy as np
import ray

from workers.actor import BlockActor
from workers.algorithms.maml import MamlAlgorithm
from workers.models.mlp import MlpModel
from workers.settings.sinusoid_task import SinusoidTask
from workers.settings.worker import ActorSettings
from workers.wire.combine import combine
from workers.wire.protocol import Block, Built, Contribution, Weights

SETTINGS = ActorSettings(task=SinusoidTask(), model=MlpModel(), algorithm=MamlAlgorithm())


def weights_of(num_parameters: int, step: int) -> Weights:
    return Weights(np.full(num_parameters, step, np.float32), np.zeros(0, np.float32), step)


def blocks_of(step: int, count: int) -> list[Block]:
    return [Block("train", step, index, index, index + 1, {}) for index in range(count)]


def echo(weights: Weights, block: Block) -> Contribution:
    """The weights again, times the block's index plus one."""
    return Contribution(
        index=block.index,
        num_tasks=block.hi - block.lo,
        gradient=weights.theta * np.float32(block.index + 1),
        carry=weights.carry,
        metrics={},
        seconds=0.001,
    )


class EchoActor(BlockActor):
    """Gives the weights back, as `echo` does."""

    def build(self, examples):
        return Built({}, [0.001 for _ in examples])

    def contribution(self, weights, blocks):
        return combine([echo(weights, block) for block in blocks])


class AddsWhenTold(EchoActor):
    """Says in the folder `gate` that it is to add; adds once there is a file `open`."""

    gate: Path

    @ray.method(num_returns=2)
    def add(self, parts, vectors, limit_s):
        (self.gate / f"adds.{os.getpid()}").touch()
        until = time.monotonic() + 60
        while not (self.gate / "open").exists() and time.monotonic() < until:
            time.sleep(0.01)
        return super().add(parts, vectors, limit_s)


class DiesInBuild(EchoActor):
    """Takes its process with it."""

    def build(self, examples):
        os._exit(7)


class DiesOfBlock1(EchoActor):
    """An actor whose model exhausts the memory on some tasks."""

    def contribution(self, weights, blocks):
        if any(block.index == 1 for block in blocks):
            os._exit(7)
        return super().contribution(weights, blocks)


class Echoes:
    """An actor's work in this process."""

    has_block_graphs = False

    def run(self, weights: Weights, block: Block) -> Contribution:
        """See `BlockRunner.run`."""
        return echo(weights, block)

    def build_ahead(self, block: Block) -> None:
        """See `BlockRunner.build_ahead`; an echo needs no tasks."""

    def close(self) -> None:
        """See `BlockRunner.close`."""
