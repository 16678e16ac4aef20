"""The Ray shell around a block runner. An actor holds caches only, never training state."""

import os
from collections.abc import Sequence
from typing import Any

import ray

from workers.actor_log import LOG, ActorLog
from workers.settings.worker import ActorSettings
from workers.wire.combine import combine
from workers.wire.errors import MetatrainError, PartLostError
from workers.wire.packing import from_bytes, to_bytes, to_bytes_if_small
from workers.wire.protocol import Block, Built, Contribution, Place, Weights
from workers.wire.remote_contribution import Vectors, split_vectors


class BlockActor:
    """A process with one thread and one model that runs blocks."""

    def __init__(self, settings: ActorSettings, gpus: float, name: str = "actor"):
        """Store the settings. `build` does the work, so that `place` can answer at once.

        Args:
          settings: of the block runner.
          gpus: GPUs that Ray reserved for this actor, > 0 if it must use one.
          name: in Ray's dashboard and log.
        """
        self._settings, self._gpus, self._name = settings, gpus, name
        self._log = ActorLog()

    def __repr__(self) -> str:
        return self._name

    def place(self) -> Place:
        """Return the host, process and node of this actor."""
        node = ray.get_runtime_context().get_node_id() if ray.is_initialized() else ""
        return Place(os.uname().nodename, os.getpid(), node)

    def build(self, examples: Sequence[Block]) -> Built:
        """Build the model, open the data, and run each example block twice: to compile, to time.

        Args:
          examples: training blocks. Their errors are ignored here: training raises them again.
        Raises:
          MetatrainError, ValueError: the model or the data are not available on this machine.
        """
        from workers.execution import runtime

        if ray.is_initialized():
            self._log.take_over()
        runtime.own_process()
        runtime.start_tensorflow(self._gpus)
        from workers.block import BlockRunner
        from workers.execution.fingerprint import fingerprint
        from workers.meta_parameters import initial
        from workers.tasks.family import digests_of
        from workers.tasks.registry import make_family
        from workers.wire.tensors import to_vector

        family = make_family(self._settings.task, self._settings.model)
        self._runner = BlockRunner(self._settings, family)
        start = initial(self._settings, family)
        weights = Weights(to_vector(start.theta), to_vector(start.carry), 0)
        seconds: list[float] = []
        try:
            for block in examples:
                self._runner.run(weights, block)
                seconds.append(self._runner.run(weights, block).seconds)
        except MetatrainError:
            pass
        LOG.info("ready: %s on %s", self._settings.algorithm.kind, self._settings.task.kind)
        digests = family.digest, self._runner.model_digest, self._runner.loss_digest
        return Built(fingerprint(*digests, digests_of(family)), seconds)

    def run(self, weights: Any, blocks: Any) -> Any:
        """Compute the contribution of a node of the tree.

        The arguments may be bytes, see `packing`, and so may the result.

        Raises as `BlockRunner.run` does.
        """
        contribution = self.contribution(from_bytes(weights), from_bytes(blocks))
        return to_bytes_if_small(contribution, contribution.gradient, contribution.carry)

    @ray.method(num_returns=2)
    def run_and_keep(self, weights: Any, blocks: Any) -> tuple[Vectors, Any]:
        """Compute the same in two values: vectors that Ray keeps on this machine, and the rest.

        Ray owns the vectors, not this process: they outlive it.
        """
        contribution = self.contribution(from_bytes(weights), from_bytes(blocks))
        vectors, remote = split_vectors(contribution)
        return vectors, to_bytes(remote)

    @ray.method(num_returns=2)
    def add(self, parts: Any, vectors: Sequence[Any], limit_s: float) -> tuple[Vectors, Any]:
        """Add the contributions of neighbouring nodes of the tree; return as `run_and_keep`.

        Args:
          parts: a `RemoteContribution` for each.
          vectors: Ray's references to their vectors.
          limit_s: how long to wait for the vectors, seconds.
        Raises:
          PartLostError: a part did not arrive; it has to be computed again.
        """
        ray.wait(list(vectors), num_returns=len(vectors), timeout=limit_s)
        contributions = [
            part.with_vectors(_vectors_of(number, reference))
            for number, (part, reference) in enumerate(zip(from_bytes(parts), vectors, strict=True))
        ]
        vectors_of_sum, remote = split_vectors(combine(contributions))
        return vectors_of_sum, to_bytes(remote)

    def contribution(self, weights: Weights, blocks: Sequence[Block]) -> Contribution:
        """Run the blocks and combine their contributions."""
        with self._log.during(blocks):
            return combine([self._runner.run(weights, block) for block in blocks])


def _vectors_of(number: int, reference: Any) -> Vectors:
    """Fetch the vectors of a part, without waiting."""
    try:
        vectors: Vectors = ray.get(reference, timeout=0)
    except ray.exceptions.RayError as error:
        raise PartLostError(f"{number}: {type(error).__name__}") from None
    return vectors
