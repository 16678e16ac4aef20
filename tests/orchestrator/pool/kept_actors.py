"""Processes that are one pool's actors after another: TensorFlow takes seconds to import."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import pytest
import ray

from orchestrator.pool import ray_pool
from orchestrator.pool.ray_backend import RayBackend
from orchestrator.pool.ray_pool import RayPool
from workers.actor import BlockActor
from workers.settings.worker import ActorSettings
from workers.wire.protocol import Block, Built


class ManyActors(BlockActor):
    """One actor after another, each as if the process were new; what one has compiled it keeps."""

    def __init__(self, settings: ActorSettings, gpus: float, name: str = "actor"):
        super().__init__(settings, gpus, name)
        self._runners: dict[str, tuple[Any, Built]] = {}

    def become(self, settings: ActorSettings, gpus: float, name: str) -> None:
        """The next one."""
        super().__init__(settings, gpus, name)

    def build(self, examples: Sequence[Block]) -> Built:
        """As `BlockActor.build`, once for each settings."""
        key = self._settings.model_dump_json()
        if key not in self._runners:
            built = super().build(examples)
            self._runners[key] = self._runner, built
        self._runner, built = self._runners[key]
        return built


class KeepingBackend(RayBackend):
    """Takes actors that were kept, while there are any; keeps those that live at the end.

    Of one machine: it takes none apart from those that are to be avoided.
    """

    kept: ClassVar[list[Any]] = []

    def __init__(
        self,
        settings: ActorSettings,
        cpus: float,
        gpus: float,
        name: str = "run",
        actor_class: type[BlockActor] = BlockActor,
    ):
        self._keeps = (actor_class, cpus, gpus) == (BlockActor, 1, 0)
        self.closing = False
        super().__init__(settings, cpus, gpus, name, ManyActors if self._keeps else actor_class)

    def start(self, avoid: Sequence[str]) -> Any:
        """See `Backend.start`."""
        while self._keeps and self.kept:
            handle = self.kept.pop()
            try:
                ray.get(handle.become.remote(self._settings, self._gpus, self._name), timeout=60)
            except ray.exceptions.RayError:  # it has died since, or is stopped
                continue
            return handle
        return super().start(avoid)

    def end(self, handle: Any) -> None:
        """See `Backend.end`."""
        if self._keeps and self.closing:
            self.kept.append(handle)
        else:
            super().end(handle)


@contextmanager
def keeping_actors() -> Iterator[None]:
    """Within: pools take the actors of those that were closed before."""

    def close(self: RayPool, closed: Callable[[RayPool], None] = RayPool.close) -> None:
        self._backend.closing = True
        closed(self)

    here = sys.modules[__name__]  # which actors cannot import
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ray_pool, "RayBackend", KeepingBackend)
        patch.setattr(RayPool, "close", close)
        ray.cloudpickle.register_pickle_by_value(here)
        yield
        ray.cloudpickle.unregister_pickle_by_value(here)
    KeepingBackend.kept.clear()
