"""A replica: one process with one model. It has caches only, nothing that a client would miss."""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.adaptation import artefact
from orchestrator.adaptation.artefact import Artefact
from orchestrator.serve.description import description_of
from orchestrator.serve.http.guard import Guard
from orchestrator.serve.limits import Limits
from orchestrator.serve.support_store import Store
from workers.execution.process_memory import release_memory, resident_bytes
from workers.wire.errors import MetatrainError
from workers.wire.protocol import Recipe

if TYPE_CHECKING:  # imports Starlette
    from orchestrator.serve.http.application import Application

# Tasks of a block where a block runs them as one batch. One after another they gain nothing.
_MOST_TOGETHER = 8


@dataclass(frozen=True, slots=True)
class ReplicaSettings:
    """What a replica must know beside the artefact.

    token_digest: see `Guard`.
    """

    recipe: Recipe
    limits: Limits
    token_digest: str = ""


@dataclass(frozen=True, slots=True)
class PackedArtefact:
    """An artefact as bytes, for another process; see `artefact.from_bytes`."""

    content: bytes
    origin: str
    model_digest: str

    @classmethod
    def of(cls, source: Artefact) -> "PackedArtefact":
        """Pack an artefact."""
        return cls(artefact.as_bytes(source), source.origin, source.model_digest)

    def unpacked(self) -> Artefact:
        """Return the artefact."""
        return artefact.from_bytes(self.content, self.origin, self.model_digest)


class Replica:
    """What Ray Serve asks of a replica, beside its application.

    Ray Serve starts another in the place of one that does not pass its check, hands it no further
    request, and ends it once it has answered.
    """

    def __init__(self, most_growth_bytes: int):
        """See `Limits.growth_bytes`."""
        self._most_growth_bytes = most_growth_bytes
        self._first_bytes = 0

    def check_health(self) -> None:
        """Raise MetatrainError if the process has grown too much since the first check.

        Ray Serve checks first when the application is built.
        """
        self._first_bytes = self._first_bytes or resident_bytes()
        most = self._first_bytes + self._most_growth_bytes
        if resident_bytes() > most:
            release_memory()
        if (now := resident_bytes()) > most:
            raise MetatrainError(
                f"the replica holds {now / 2**20:.0f} MiB, more than the {most / 2**20:.0f} "
                "allowed; another takes its place"
            )


def make_application(
    source: Artefact, settings: ReplicaSettings, store: Store, name: str = "replica"
) -> "Application":
    """Build the model, and the application that serves it.

    Args:
      store: of support sets, which all replicas share.
      name: of this replica, in metrics.
    """
    from orchestrator.learner import Learner
    from orchestrator.serve.http.application import Application
    from orchestrator.serve.served_model import ServedModel
    from orchestrator.serve.service import Service

    limits = settings.limits
    model = ServedModel(lambda: Learner(source), settings.recipe, limits)
    together = _MOST_TOGETHER if source.config.worker.execution[0] == "vectorized" else 1
    service = Service(model, store, limits, together)
    about = description_of(source, settings.recipe, limits)
    return Application(service, limits, Guard(settings.token_digest), about, name)


def make_asgi(source: PackedArtefact, settings: ReplicaSettings, store: Store) -> Any:
    """Return the ASGI application of a process that does nothing else."""
    from workers.execution import runtime

    runtime.own_process()
    name = f"{os.uname().nodename}:{os.getpid()}"
    return make_application(source.unpacked(), settings, store, name).asgi
