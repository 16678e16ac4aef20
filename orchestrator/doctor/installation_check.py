"""The check of this installation, one part after another."""

import os
import sys
import time
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

from orchestrator.doctor import address, installation, machine
from orchestrator.doctor.child import ChildTimeoutError, in_child
from orchestrator.doctor.finding import Finding
from orchestrator.text.redact import redact
from workers.execution import runtime
from workers.execution.kernels import chosen_kernels

Say = Callable[[str], None]

_BUSY = "this machine may be too busy, or lack memory: check with top, and try again"

_TENSORFLOW_LIMIT_S, _RAY_LIMIT_S, _JOIN_LIMIT_S = 180.0, 120.0, 30.0


def check_installation(say: Say) -> Iterator[Finding]:
    """Check everything that a run needs of this machine, in about ten seconds."""
    environment = os.environ
    yield Finding("Python", f"{sys.version.split()[0]}, {sys.executable}")
    yield installation.check_packages(_requirements(), _version)
    yield installation.check_memory(machine.available_bytes(), machine.num_cores())
    yield installation.check_load(os.getloadavg()[0], machine.num_cores())
    if Path("/dev/shm").is_dir():
        yield installation.check_shared_memory(machine.disk_of("/dev/shm"))
    yield installation.check_disk("runs", machine.disk_of("runs"), "give --out another folder")
    folder = environment.get("RAY_TMPDIR", "/tmp")
    yield installation.check_disk(
        "Ray's folder", machine.disk_of(folder), "set RAY_TMPDIR to another folder", for_ray=True
    )
    yield from _check_tensorflow(say)
    yield installation.check_kernels(chosen_kernels(environment))
    reachable = address.check_address(environment, address.answers)
    yield reachable
    yield address.check_dashboard(environment, address.answers)
    token = address.check_token(environment, Path(os.path.expanduser("~")))
    yield token
    if "broken" not in (reachable.verdict, token.verdict) and not _is_a_dashboard(environment):
        yield _check_ray(say, bool(environment.get("RAY_ADDRESS")))


def _check_tensorflow(say: Say) -> Iterator[Finding]:
    say("starting TensorFlow")
    began = time.monotonic()
    try:
        gpus = in_child(_start_tensorflow, say=say, limit_s=_TENSORFLOW_LIMIT_S)
    except ChildTimeoutError as error:
        yield Finding("TensorFlow", _line(error), "broken", _BUSY)
        return
    except ValueError as error:  # Keras is misconfigured; the message says what to do
        yield Finding("TensorFlow", _line(error), "broken")
        return
    except Exception as error:
        yield Finding("TensorFlow", _line(error), "broken", "install metatrain again with pip")
        return
    start = f"starts in {time.monotonic() - began:.0f} s"
    yield Finding("TensorFlow", f"{_version('tensorflow')}, Keras {_version('keras')}, {start}")
    yield installation.check_gpus(runtime.count_gpus(), gpus)


def _check_ray(say: Say, joins: bool) -> Finding:
    say("joining the cluster" if joins else "starting Ray")
    began = time.monotonic()
    try:
        resources = in_child(_try_ray, say=say, limit_s=_JOIN_LIMIT_S if joins else _RAY_LIMIT_S)
    except ChildTimeoutError as error:
        return Finding("Ray", f"{_version('ray')}: {_line(error)}", "broken", _BUSY)
    except Exception as error:
        remedy = (
            "compare Ray's and Python's versions there (ray status), and the token"
            if joins
            else "set RAY_TMPDIR to a short path with room; until then --workers 0 runs without Ray"
        )
        return Finding("Ray", f"{_version('ray')}: {_line(error)}", "broken", remedy)
    seconds = f"{time.monotonic() - began:.0f} s"
    if not joins:
        return Finding("Ray", f"{_version('ray')}, starts here in {seconds}")
    count = sum(name.startswith("node:") and "__" not in name for name in resources)
    nodes = f"{count} machine{'s' if count > 1 else ''}"
    room = f"{resources.get('CPU', 0):g} CPUs, {resources.get('GPU', 0):g} GPUs"
    return Finding("Ray", f"{_version('ray')}, joined in {seconds}: {nodes}, {room}")


def _start_tensorflow(tell: Say) -> list[str]:
    runtime.start_tensorflow(0)
    return runtime.gpus_of_tensorflow()


def _try_ray(tell: Say) -> dict[str, Any]:
    from orchestrator.pool.ray_session import try_ray

    return try_ray()


def _is_a_dashboard(environment: Any) -> bool:
    return str(environment.get("RAY_ADDRESS", "")).startswith(("http://", "https://"))


def _requirements() -> list[str]:
    """Return the requirements of the installed metatrain; none if it is only on the path."""
    try:
        return metadata.requires("metatrain") or []
    except metadata.PackageNotFoundError:
        return []


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _line(error: Exception) -> str:
    """Return the first line of an error, without secrets."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    kind = type(error).__name__
    return redact((lines or [kind])[0][:300])
