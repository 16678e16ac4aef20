"""The Ray shell around a block runner. An actor holds caches only, never training state."""

import os
from collections.abc import Sequence

import ray

from workers.combine import combine
from workers.errors import MetatrainError
from workers.protocol import Block, Built, Contribution, Place, Weights
from workers.settings.worker import WorkerSettings


class BlockActor:
    """One process, one thread, one model: runs blocks."""

    def __init__(self, settings: WorkerSettings, gpus: float):
        """Remember what to build; that is done by `build`, so that `place` answers at once.

        Args:
          gpus: what Ray reserved for this actor, > 0 if it must use a GPU.
        """
        self._settings, self._gpus = settings, gpus

    def place(self) -> Place:
        """Who and where this is."""
        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else ""
        return Place(os.uname().nodename, os.getpid(), node)

    def build(self, examples: Sequence[Block]) -> Built:
        """Build the model, open the data, and run each example block twice: to compile, to time.

        Args:
          examples: training blocks; what they raise, they will raise again when it counts.
        Raises:
          MetatrainError, ValueError: what this actor is made from cannot be had here.
        """
        from workers import runtime

        runtime.start_tensorflow(self._gpus)
        from workers.block import BlockRunner
        from workers.meta import initial
        from workers.tasks.registry import make_family
        from workers.tensors import pack

        family = make_family(self._settings.task)
        self._runner = BlockRunner(self._settings, family)
        start = initial(self._settings, family)
        weights = Weights(pack(start.theta), pack(start.carry), 0)
        seconds: list[float] = []
        try:
            for block in examples:
                self._runner.run(weights, block)
                seconds.append(self._runner.run(weights, block).seconds)
        except MetatrainError:
            pass
        return Built(runtime.fingerprint(family.digest, self._runner.model_digest), seconds)

    def run(self, weights: Weights, blocks: Sequence[Block]) -> Contribution:
        """The blocks of a node of the tree, combined. Raises as `BlockRunner.run` does."""
        return combine([self._runner.run(weights, block) for block in blocks])
