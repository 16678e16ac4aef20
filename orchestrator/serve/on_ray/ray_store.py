"""The actor that all replicas of a service share: the artefact, and the kept support sets.

It imports no TensorFlow and runs no user's code. If it dies, Ray starts it again, with the artefact
but without support sets.
"""

from typing import Any

import ray

from orchestrator.serve.limits import Limits
from orchestrator.serve.on_ray.replica import PackedArtefact
from orchestrator.serve.support_store import Found, SupportStore

NAMESPACE = "metatrain-serve"


class StoreActor:
    """See `Store`."""

    def __init__(self, source: PackedArtefact, limits: Limits):
        self._source, self._store = source, SupportStore(limits)

    def source(self) -> PackedArtefact:
        """Return the artefact."""
        return self._source

    def put(self, key: str, content: bytes) -> None:
        """See `Store.put`."""
        self._store.put(key, content)

    def find(self, key: str, with_content: bool) -> Found:
        """See `Store.find`."""
        return self._store.find(key, with_content)


class RayStore:
    """The store of a replica."""

    def __init__(self, actor: Any):
        self._actor = actor

    async def put(self, key: str, content: bytes) -> None:
        """See `Store.put`."""
        await self._actor.put.remote(key, content)

    async def find(self, key: str, with_content: bool) -> Found:
        """See `Store.find`."""
        found: Found = await self._actor.find.remote(key, with_content)
        return found


def start_store(name: str, source: PackedArtefact, limits: Limits) -> Any:
    """Start the actor under a name; it lives as long as its handle."""
    options = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": 3}
    actor = ray.remote(StoreActor).options(name=name, namespace=NAMESPACE, **options)
    return actor.remote(source, limits)


def find_store(name: str) -> Any:
    """Return the actor that `start_store` started."""
    return ray.get_actor(name, namespace=NAMESPACE)
