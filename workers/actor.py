"""The Ray shell around a block runner. An actor holds caches only, never training state."""

import os
from collections.abc import Sequence
from typing import Any

import ray

from workers.actor_log import LOG, ActorLog
from workers.settings.worker import WorkerSettings
from workers.wire.combine import combine
from workers.wire.errors import MetatrainError, PartLostError
from workers.wire.packing import pack, pack_if_small, unpack
from workers.wire.protocol import Block, Built, Contribution, Place, Weights
from workers.wire.remote_contribution import Vectors, split_vectors


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
        from workers.execution import runtime

        if ray.is_initialized():
            self._log.take_over()
        runtime.own_process()
        runtime.start_tensorflow(self._gpus)
        from workers.block import BlockRunner
        from workers.meta_parameters import initial
        from workers.tasks.registry import make_family
        from workers.wire.tensors import pack

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

    def run(self, weights: Any, blocks: Any) -> Any:
        """The contribution of a node of the tree; arguments and answer may be packed.

        Raises as `BlockRunner.run` does.
        """
        contribution = self.contribution(unpack(weights), unpack(blocks))
        return pack_if_small(contribution, contribution.gradient, contribution.carry)

    @ray.method(num_returns=2)
    def run_and_keep(self, weights: Any, blocks: Any) -> tuple[Vectors, Any]:
        """As `run`, in two values: Ray keeps the vectors on this machine until they are asked for.

        Ray owns them, not this process: they outlive it.
        """
        vectors, kept = split_vectors(self.contribution(unpack(weights), unpack(blocks)))
        return vectors, pack(kept)

    @ray.method(num_returns=2)
    def add(self, parts: Any, vectors: Sequence[Any], limit_s: float) -> tuple[Vectors, Any]:
        """As `run_and_keep`, of contributions of neighbouring nodes: edges of the tree.

        Args:
          parts: `RemoteContribution`, one for each. vectors: Ray's references to theirs.
          limit_s: how long to wait for them.
        Raises:
          PartLostError: a part did not come; it has to be made again.
        """
        ray.wait(list(vectors), num_returns=len(vectors), timeout=limit_s)
        wholes = [
            part.with_vectors(_vectors_of(number, reference))
            for number, (part, reference) in enumerate(zip(unpack(parts), vectors, strict=True))
        ]
        total, kept = split_vectors(combine(wholes))
        return total, pack(kept)

    def contribution(self, weights: Weights, blocks: Sequence[Block]) -> Contribution:
        """The blocks' own, combined."""
        with self._log.during(blocks):
            return combine([self._runner.run(weights, block) for block in blocks])


def _vectors_of(number: int, reference: Any) -> Vectors:
    """What is there, now."""
    try:
        vectors: Vectors = ray.get(reference, timeout=0)
    except ray.exceptions.RayError as error:
        raise PartLostError(f"{number}: {type(error).__name__}") from None
    return vectors
