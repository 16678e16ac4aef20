"""The backend that makes actors on Ray.

Ray's own restarts are off: they loop without an error when a constructor fails.
"""

import contextlib
import itertools
import os
import secrets
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import ray
from ray._private.state import state as ray_state
from ray.exceptions import (
    ActorUnavailableError,
    ObjectLostError,
    RayActorError,
    RayError,
    RaySystemError,
    RayTaskError,
    RuntimeEnvSetupError,
)

from orchestrator.pool.backend import ActorDiedError, CallLostError, CallRaisedError, Machines
from orchestrator.pool.ray_session import interruptible
from orchestrator.text.plain_text import label
from workers.actor import BlockActor
from workers.execution import isa
from workers.settings.worker import ActorSettings
from workers.wire.errors import PoolError
from workers.wire.packing import from_bytes, to_bytes, to_bytes_if_small
from workers.wire.protocol import Block, Weights
from workers.wire.remote_contribution import RemoteContribution

# With more calls than this in flight it pays to wait a little and to take several answers at once:
# the more calls there are, the sooner the next answer comes, and the more each poll costs.
_MANY_CALLS = 8
_A_LITTLE_S = 5e-5


class RayBackend:
    """The backend for Ray; see `Backend`."""

    def __init__(
        self,
        settings: ActorSettings,
        cpus: float,
        gpus: float,
        name: str = "run",
        actor_class: type[BlockActor] = BlockActor,
    ):
        """Prepare actors with so many CPUs and GPUs each; start none yet.

        Args:
          settings: what an actor must know of the configuration.
          cpus: CPUs of each actor. gpus: GPUs of each actor.
          name: name of the run, by which Ray's dashboard shows the actors.
          actor_class: the class of the actors.
        """
        self._settings, self._cpus, self._gpus = settings, cpus, gpus
        # Names must differ within a Ray job, which may hold several runs.
        self._name, self._numbers = f"{label(name)}-{secrets.token_hex(2)}", itertools.count()
        self._class = ray.remote(actor_class)
        self._options: dict[str, Any] = {
            "num_cpus": cpus,
            "num_gpus": gpus,
            "max_restarts": 0,
            "max_task_retries": 0,
        }
        if chosen := isa.variables(settings.runtime.isa, os.environ):
            self._options["runtime_env"] = {"env_vars": chosen}
        self._fetched: dict[Any, Any] = {}

    def start(self, avoid: Sequence[str]) -> Any:
        """See `Backend.start`."""
        name = f"{self._name}-actor-{next(self._numbers)}"
        options = {**self._options, "name": name}
        if avoid:
            options["label_selector"] = {"ray.io/node-id": f"!in({','.join(avoid)})"}
        return self._class.options(**options).remote(self._settings, self._gpus, name)

    def end(self, handle: Any) -> None:
        """See `Backend.end`. A stopped process is killed by its raylet after 5 s."""
        ray.kill(handle)

    def place(self, handle: Any) -> Any:
        """See `Backend.place`."""
        return handle.place.remote()

    def build(self, handle: Any, examples: Sequence[Block]) -> Any:
        """See `Backend.build`."""
        with _sending("examples"):
            return handle.build.remote(list(examples))

    def share(self, weights: Weights) -> Any:
        """See `Backend.share`."""
        arrays = [field for field in weights if isinstance(field, np.ndarray)]
        packed = to_bytes_if_small(weights, *arrays)
        if isinstance(packed, bytes):
            return packed
        with _sending("weights"):
            return ray.put(weights)

    def run(self, handle: Any, weights: Any, blocks: Sequence[Block]) -> Any:
        """See `Backend.run`."""
        with _sending("blocks"):
            return handle.run.remote(weights, to_bytes(blocks))

    def run_and_keep(self, handle: Any, weights: Any, blocks: Sequence[Block]) -> tuple[Any, Any]:
        """See `Backend.run_and_keep`."""
        with _sending("blocks"):
            vectors, kept = handle.run_and_keep.remote(weights, to_bytes(blocks))
        return kept, vectors

    def add(
        self,
        handle: Any,
        parts: Sequence[RemoteContribution],
        vectors: Sequence[Any],
        limit_s: float,
    ) -> tuple[Any, Any]:
        """See `Backend.add`. Within a list, Ray leaves the references to the actor to wait for."""
        with _sending("sums"):
            total, kept = handle.add.remote(to_bytes(parts), list(vectors), limit_s)
        return kept, total

    def wait(self, calls: Sequence[Any], timeout_s: float) -> list[Any]:
        """See `Backend.wait`."""
        if not calls:
            time.sleep(timeout_s)
            return []
        with interruptible():
            done, rest = ray.wait(list(calls), num_returns=1, timeout=timeout_s)
            if done and len(rest) > _MANY_CALLS:
                wait_s = _A_LITTLE_S * len(rest)
                done += ray.wait(rest, num_returns=len(rest), timeout=wait_s)[0]
            self._fetched = self._fetch(done) if len(done) > 1 else {}
        return list(done)

    def answer(self, call: Any) -> Any:
        """See `Backend.answer`."""
        try:
            with interruptible():
                value = self._fetched.pop(call) if call in self._fetched else ray.get(call)
                return from_bytes(value)
        except (ActorUnavailableError, ObjectLostError, RaySystemError) as error:
            raise CallLostError(_first_line(error)) from error
        except RayActorError as error:
            if error.actor_init_failed:
                raise CallRaisedError(RuntimeError(_last_line(error))) from error
            raise ActorDiedError(_why_dead(error), bool(error.preempted)) from error
        except RayTaskError as error:
            raise CallRaisedError(error.cause) from error
        except RayError as error:  # out of memory or disk, its node died, its environment failed
            raise ActorDiedError(_first_line(error)) from error

    def _fetch(self, calls: Sequence[Any]) -> dict[Any, Any]:
        """Fetch several answers in one call of Ray; none if one of them is an error."""
        try:
            return dict(zip(calls, ray.get(list(calls)), strict=True))
        except RayError:
            return {}

    def machines(self) -> Machines:
        """See `Backend.machines`. Only Ray's private state says which nodes are drained."""
        draining = frozenset(ray_state.get_draining_nodes())
        slots = 0
        for node in ray.nodes():
            if not node["Alive"] or node["NodeID"] in draining:
                continue
            resources = node["Resources"]
            room = [resources.get("CPU", 0) / self._cpus]
            if self._gpus:
                room.append(resources.get("GPU", 0) / self._gpus)
            slots += int(min(room))
        return Machines(slots, draining)

    def now(self) -> float:
        """See `Backend.now`."""
        return time.monotonic()


@contextlib.contextmanager
def _sending(what: str) -> Iterator[None]:
    """Turn an error of Ray's, such as a full object store, into a PoolError."""
    try:
        yield
    except RayError as error:
        raise PoolError(
            f"Ray cannot send {what} to actors: {_first_line(error)}; if its object store is full, "
            "give the driver's machine more memory or disk"
        ) from error


def _why_dead(error: RayActorError) -> str:
    """Return Ray's reason for a death, without the advice around it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reasons = [line for line in lines if line.startswith("The actor is dead because")]
    reason = reasons[0] if reasons else lines[0] if lines else type(error).__name__
    short = reason.removeprefix("The actor is dead because ").partition(" Some common causes")[0]
    if "connection error code 2" in short:  # Ray knows no more than that it is gone
        return "its process ended without an error message"
    return short.rstrip(".")


def _first_line(error: RayError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    # The first line of this error is the same for all reasons.
    num_lines = 2 if isinstance(error, RuntimeEnvSetupError) else 1
    return " ".join(lines[:num_lines]) or type(error).__name__


def _last_line(error: RayError) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
