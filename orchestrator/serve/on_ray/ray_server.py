"""A service on Ray Serve: replicas of one model, and the proxy that hands requests to them."""

import contextlib
import logging
import os
import secrets
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import ray
from ray import serve

from orchestrator.adaptation.artefact import Artefact
from orchestrator.pool.ray_session import end_ray, folders_of_actors, start_ray
from orchestrator.serve.on_ray.ray_store import RayStore, find_store, start_store
from orchestrator.serve.on_ray.replica import (
    PackedArtefact,
    Replica,
    ReplicaSettings,
    make_asgi,
)
from orchestrator.serve.on_ray.replica_port import listen_on_loopback
from workers.execution import isa
from workers.wire.errors import PoolError

_APP = "metatrain"
_CONTROLLER, _SERVE = "SERVE_CONTROLLER_ACTOR", "serve"  # names of Ray Serve
# Requests that a replica holds at once; `Limits.waiting` of them may wait to be computed.
_MOST_ONGOING = 1000


@dataclass(frozen=True, slots=True)
class ServerOptions:
    """Where a service listens, and with how many replicas. stop_s: seconds to answer the last."""

    host: str
    port: int
    replicas: int
    verbose: bool = False
    stop_s: float = 20.0

    @property
    def url(self) -> str:
        """The address of the service."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


@contextlib.contextmanager
def serving(source: Artefact, settings: ReplicaSettings, options: ServerOptions) -> Iterator[None]:
    """Serve a run within the context; at its end, answer what was asked and stop.

    Raises:
      PoolError: Ray or the replicas do not start, or another service runs on the cluster.
    """
    start_ray(options.replicas, options.verbose)
    try:
        _refuse_other_service()
        check_cpus(options.replicas, ray.cluster_resources().get("CPU", 0))
        name = f"store-{secrets.token_hex(8)}"
        store = start_store(name, PackedArtefact.of(source), settings.limits)
        try:
            # What a start leaves that fails or is interrupted would outlive us on a cluster.
            _start(options)
            _deploy(name, source, settings, options)
            yield
        finally:
            with contextlib.suppress(Exception):
                serve.delete(_APP)  # waits for the answers of requests that are under way
            serve.shutdown()
            del store
    finally:
        end_ray()


def _refuse_other_service() -> None:
    with contextlib.suppress(ValueError):
        ray.get_actor(_CONTROLLER, namespace=_SERVE)
        raise PoolError(
            "Ray Serve runs on this cluster already, with an address of its own; unset "
            "RAY_ADDRESS, or use a cluster without it"
        )


def check_cpus(replicas: int, cpus: float) -> None:
    """Raise ValueError if so many replicas, a core each, would wait for a place for ever."""
    if replicas > cpus:
        raise ValueError(
            f"--replicas {replicas} needs {replicas} CPUs, but Ray has {cpus:g}; lower it, or add "
            "machines"
        )


def _start(options: ServerOptions) -> None:
    if not options.verbose:
        logging.getLogger("ray.serve").setLevel(logging.ERROR)
    quiet = {"log_level": "INFO" if options.verbose else "ERROR", "enable_access_log": False}
    http = {"host": options.host, "port": options.port, "keep_alive_timeout_s": 60}
    serve.start(proxy_location="HeadOnly", http_options=http, logging_config=quiet)


def _deploy(
    store_name: str, source: Artefact, settings: ReplicaSettings, options: ServerOptions
) -> None:
    folders, is_ours = folders_of_actors(), not os.environ.get("RAY_ADDRESS")

    def build() -> Any:
        if is_ours:
            listen_on_loopback()
        sys.path[:0] = [folder for folder in folders if folder not in sys.path]
        store = find_store(store_name)
        return make_asgi(ray.get(store.source.remote()), settings, RayStore(store))

    actor: dict[str, Any] = {"num_cpus": 1}
    if chosen := isa.variables(source.config.runtime.isa, os.environ):
        actor["runtime_env"] = {"env_vars": chosen}
    deployment = serve.deployment(
        serve.ingress(build)(Replica),
        name="replica",
        num_replicas=options.replicas,
        max_ongoing_requests=_MOST_ONGOING,
        graceful_shutdown_wait_loop_s=0.2,
        graceful_shutdown_timeout_s=options.stop_s,
        health_check_period_s=2,
        ray_actor_options=actor,
        logging_config={"enable_access_log": False},
    )
    try:
        serve.run(deployment.bind(settings.limits.growth_bytes), name=_APP, route_prefix="/")
    except RuntimeError as error:
        raise PoolError(f"the replicas do not start: {error}") from None
