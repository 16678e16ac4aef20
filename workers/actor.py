"""The Ray shell around a block runner. An actor holds caches only, never training state."""

import os
from collections.abc import Sequence
from typing import Any

import ray

from workers.actor_log import LOG, ActorLog
from workers.combine import combine
from workers.errors import MetatrainError, PartLostError
from workers.kept import Kept, Vectors, keep
from workers.protocol import Block, Built, Contribution, Place, Weights
from workers.settings.worker import WorkerSettings


class BlockActor:
    """One process, one thread, one model: runs blocks."""

    def __init__(self, settings: WorkerSettings, gpus: float, name: str = "actor"):
        """Remember what to build; that is done by `build`, so that `place` answers at once.

        Args:
          gpus: what Ray reserved for this actor, > 0 if it must use a GPU.
          name: what Ray's dashboard and log call it.
        """
        self._settings, self._gpus, self._name = settings, gpus, name
        self._log = ActorLog()

    def __repr__(self) -> str:
        return self._name

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

        if ray.is_initialized():
            self._log.take_over()
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
        LOG.info("ready: %s on %s", self._settings.algorithm.kind, self._settings.task.kind)
        return Built(runtime.fingerprint(family.digest, self._runner.model_digest), seconds)

    def run(self, weights: Weights, blocks: Sequence[Block]) -> Contribution:
        """The blocks of a node of the tree, combined. Raises as `BlockRunner.run` does."""
        with self._log.during(blocks):
            return combine([self._runner.run(weights, block) for block in blocks])

    def run_and_keep(self, weights: Weights, blocks: Sequence[Block]) -> tuple[Vectors, Kept]:
        """As `run`, in two values: Ray keeps the vectors on this machine until they are asked for.

        Ray owns them, not this process: they outlive it.
        """
        return keep(self.run(weights, blocks))

    def add(
        self, parts: Sequence[Kept], vectors: Sequence[Any], limit_s: float
    ) -> tuple[Vectors, Kept]:
        """Contributions of neighbouring nodes, combined: edges of the tree.

        Args:
          vectors: Ray's references to those of the parts.
          limit_s: how long to wait for them.
        Raises:
          PartLostError: a part did not come; it has to be made again.
        """
        ray.wait(list(vectors), num_returns=len(vectors), timeout=limit_s)
        wholes = [
            part.whole(_vectors_of(number, reference))
            for number, (part, reference) in enumerate(zip(parts, vectors, strict=True))
        ]
        return keep(combine(wholes))


def _vectors_of(number: int, reference: Any) -> Vectors:
    """What is there, now."""
    try:
        vectors: Vectors = ray.get(reference, timeout=0)
    except ray.exceptions.RayError as error:
        raise PartLostError(f"{number}: {type(error).__name__}") from None
    return vectors
