"""The pool of Ray actors."""

import os
from collections.abc import Callable, Sequence

import ray

from orchestrator.config.driver_settings import PoolSettings
from orchestrator.pool.actor_pool import ActorPool
from orchestrator.pool.ray_backend import RayBackend
from orchestrator.pool.ray_session import check_resources, end_ray, folders_of_actors, start_ray
from workers.actor import BlockActor
from workers.settings.worker import ActorSettings
from workers.wire.import_path import refuse_namesakes
from workers.wire.protocol import Block


class RayPool(ActorPool):
    """An `ActorPool` on Ray, which starts Ray if it does not run yet."""

    def __init__(
        self,
        settings: ActorSettings,
        count: int,
        workers: PoolSettings,
        *,
        name: str = "run",
        least: int | None = None,
        elastic: bool = False,
        examples: Sequence[Block] = (),
        notify: Callable[[str], None] = lambda text: None,
        verbose: bool = False,
        actor_class: type[BlockActor] = BlockActor,
    ):
        """Start Ray, unless it already runs here, and `count` actors.

        Args:
          settings: what an actor must know of the configuration.
          workers: resources of each actor, deadlines and the budget; its `count` is not read.
          name: name of the run, for Ray's dashboard.
          least, elastic, examples, notify: see `ActorPool`.
          verbose: print Ray's own messages.
          actor_class: the class of the actors.
        Raises:
          ValueError: Ray can never place so many actors, or they cannot import metatrain.
        """
        refuse_namesakes(folders_of_actors())
        self._owns_ray = not ray.is_initialized()
        try:
            if self._owns_ray:
                room = count if least is None else len(os.sched_getaffinity(0)) / workers.cpus
                start_ray(max(least or 0, min(count, room)) * workers.cpus, verbose)
            if least is None:  # otherwise machines may join
                check_resources(count, workers.cpus, workers.gpus)
            super().__init__(
                RayBackend(settings, workers.cpus, workers.gpus, name, actor_class),
                count,
                max_failures=workers.max_failures,
                slow_after_s=workers.slow_after_s,
                start_limit_s=workers.start_limit_s,
                least=least,
                elastic=elastic,
                reduction=workers.reduction,
                examples=examples,
                notify=notify,
            )
        except BaseException:
            self._end_ray()
            raise

    def close(self) -> None:
        """End the actors, and Ray if the pool started it."""
        if ray.is_initialized():
            super().close()
        self._end_ray()

    def _end_ray(self) -> None:
        if self._owns_ray:
            end_ray()
