"""The Ray shell around a block runner. An actor holds caches only, never training state."""

import os
from collections.abc import Sequence
from typing import Any

from workers.combine import combine
from workers.protocol import Block, Contribution, Weights
from workers.settings.worker import WorkerSettings


class BlockActor:
    """One process, one thread, one model: runs blocks."""

    def __init__(self, settings: WorkerSettings, gpus: float):
        """Build the model and open the data.

        Args:
          gpus: what Ray reserved for this actor, > 0 if it must use a GPU.
        """
        from workers import runtime

        runtime.start_tensorflow(gpus)
        from workers.block import BlockRunner
        from workers.tasks.registry import make_family

        family = make_family(settings.task)
        self._runner = BlockRunner(settings, family)
        self._fingerprint = runtime.fingerprint(family.digest, self._runner.model_digest)

    def ready(self) -> dict[str, Any]:
        """Answer once built: the fingerprint, and who and where this is."""
        return {"fingerprint": self._fingerprint, "pid": os.getpid(), "host": os.uname().nodename}

    def run(self, weights: Weights, blocks: Sequence[Block]) -> Contribution:
        """The blocks of a node of the tree, combined. Raises as `BlockRunner.run` does."""
        return combine([self._runner.run(weights, block) for block in blocks])
