"""Stand-ins for up to three workers: this process, and another one."""

from collections.abc import Sequence
from typing import Any

import ray

from orchestrator.pool.work_item import leaves
from workers.actor import BlockActor
from workers.block import BlockRunner
from workers.policies.episode_cache import EpisodeCache
from workers.settings.worker import ActorSettings
from workers.wire.packing import from_bytes, to_bytes
from workers.wire.protocol import Block, Contribution, Weights


class AnyBlocks:
    """An actor that runs the blocks of any configuration."""

    def __init__(self) -> None:
        from workers.execution import runtime

        runtime.start_tensorflow(0)
        self._actors: dict[str, Any] = {}

    def build(self, settings: ActorSettings) -> None:
        """Become the worker of that configuration."""
        self._actor(settings)

    def run(self, settings: ActorSettings, weights: Any, blocks: Any) -> Any:
        """Run blocks as `BlockActor.run`."""
        return self._actor(settings).run(weights, blocks)

    def _actor(self, settings: ActorSettings) -> Any:
        from workers.actor import BlockActor

        key = settings.model_dump_json()
        if key not in self._actors:
            self._actors = {key: BlockActor(settings, gpus=0)}
            self._actors[key].build([])
        return self._actors[key]


class Here(BlockActor):
    """This process as a worker: inputs and outputs of its runner are packed as for Ray."""

    def __init__(self, settings: ActorSettings, runner: BlockRunner):
        super().__init__(settings, gpus=0)
        self._runner = runner
        runner.episodes = EpisodeCache()  # those of other pools are not its own

    def ask(self, weights: Weights, blocks: Sequence[Block]) -> Any:
        return self.run(to_bytes(weights), to_bytes(blocks))


class There:
    """A separate process, with a configuration."""

    def __init__(self, settings: ActorSettings, process: Any):
        self._settings, self._process = settings, process
        process.build.remote(settings)

    def ask(self, weights: Weights, blocks: Sequence[Block]) -> Any:
        return self._process.run.remote(self._settings, to_bytes(weights), to_bytes(blocks))


class Workers:
    """A pool of `count` workers, `who` in turn; their results come in reverse order."""

    def __init__(self, who: Sequence[Here | There], count: int):
        self._who, self._count = who[:count], count

    def run(self, weights: Weights, blocks: Sequence[Block]) -> list[Contribution]:
        asked = [
            self._who[number % len(self._who)].ask(weights, work.blocks)
            for number, work in enumerate(leaves(blocks, self._count))
        ]
        return [
            from_bytes(ray.get(each) if isinstance(each, ray.ObjectRef) else each)
            for each in reversed(asked)
        ]
