"""Joins a Ray cluster, or starts one here that lives as long as this process."""

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import ray
from ray._private import services as ray_services
from ray._private import worker as ray_worker

from orchestrator.pool.ray_signals import signals_kept
from orchestrator.pool.ray_token import enable_tokens
from orchestrator.text.credentials import check_no_secret
from workers.wire.errors import PoolError
from workers.wire.packing import INLINE_LIMIT

# What is larger than Ray's limit goes through its object store, at 1 to 3 ms a piece: where Ray is
# ours, the weights and gradients of a small convolutional network travel with the calls instead.
_OUR_INLINE_BYTES = 1024 * 1024
_TOO_LATE = "timed out during startup"  # what Ray then says


def join_cluster() -> dict[str, float]:
    """Connect to the cluster of RAY_ADDRESS; its resources."""
    if not ray.is_initialized():
        start_ray(0, verbose=False)
    return dict(ray.cluster_resources())


def try_ray() -> dict[str, float]:
    """Join the cluster of RAY_ADDRESS, or start Ray here for a moment; its resources."""
    try:
        return join_cluster()
    finally:
        ray.shutdown()


def start_ray(num_cpus: float, verbose: bool) -> None:
    """Join the cluster of RAY_ADDRESS, or start one here with so many CPUs.

    Raises:
      ValueError: RAY_ADDRESS holds a secret, which Ray would write into its logs.
      PoolError: Ray did not start in the time that it allows itself.
    """
    check_no_secret("RAY_ADDRESS", os.environ.get("RAY_ADDRESS", ""))
    # Without this, Ray warns of a change in how it hides GPUs from tasks that ask for none.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    cluster = bool(os.environ.get("RAY_ADDRESS"))
    if not cluster:
        os.environ.setdefault(INLINE_LIMIT, str(_OUR_INLINE_BYTES))
        enable_tokens()
    here = contextlib.nullcontext() if cluster else _on_loopback()
    with here, signals_kept(), in_sessions_of_their_own(), interruptible(), _in_time():
        ray.init(
            address=None if cluster else "local",
            num_cpus=None if cluster else max(int(np.ceil(num_cpus)), 1),
            include_dashboard=None if cluster else False,
            log_to_driver=verbose,
            logging_level=logging.INFO if verbose else logging.ERROR,
        )
    if not verbose:
        # Ray prints a page on every actor that dies, on standard output, where the results go, and
        # has no setting for it. The pool says what happened.
        ray_worker.print_to_stdstream = _discard


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Within: a Ray that starts listens to this machine alone, not to its network.

    Ray has this for systems on which it makes no clusters, and replaces 127.0.0.1 as an argument of
    `ray.init` by the machine's address in the network.
    """
    before = ray_services.ray_constants.ENABLE_RAY_CLUSTER
    ray_services.ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_services.ray_constants.ENABLE_RAY_CLUSTER = before


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    """Tell a user whose machine is too busy for Ray's own limit of 30 s, which has no setting."""
    try:
        yield
    except Exception as error:
        if type(error) is not Exception or _TOO_LATE not in str(error):
            raise
        raise PoolError(
            "Ray did not start within 30 s, so this machine is busy; try again when it is not, "
            "use --workers 0, or start Ray before (ray start --head) and set RAY_ADDRESS=auto"
        ) from None


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Within: what a signal's handler raises in Ray's compiled code comes out as it was raised."""
    try:
        yield
    except SystemError as error:
        cause = error.__cause__
        if cause is None or isinstance(cause, Exception):
            raise
        raise cause from None


@contextlib.contextmanager
def in_sessions_of_their_own() -> Iterator[None]:
    """Within: what Ray starts gets no signal that is sent to the driver's process group.

    `timeout`, systemd and batch systems send theirs to all of a group: Ray would be gone before the
    driver has saved, and the driver wait for it for a minute.
    """
    popen = ray_services.ConsolePopen

    class Apart(popen):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: Any, **options: Any):
            super().__init__(*arguments, start_new_session=True, **options)

    ray_services.ConsolePopen = Apart
    try:
        yield
    finally:
        ray_services.ConsolePopen = popen


def _discard(data: Any, ignore_prefix: bool) -> None:
    """In the place of what prints Ray's messages."""


def folders_of_actors() -> list[str]:
    """What Ray puts first on the import path of actors: the working and the script's directory."""
    script = os.path.dirname(os.path.realpath(sys.argv[0]))
    return [os.getcwd(), *([script] if script in sys.path else [])]


def check_resources(count: int, cpus: float, gpus: float) -> None:
    """Refuse what Ray can never place.

    Raises:
      ValueError: names what is needed and what there is.
    """
    there = ray.cluster_resources()
    for name, key, each in (("CPU", "workers.cpus", cpus), ("GPU", "workers.gpus", gpus)):
        needed = count * each
        if needed > there.get(name, 0):
            plural = "" if needed == 1 else "s"
            raise ValueError(
                f"workers.count = {count} with {key} = {each:g} needs {needed:g} {name}{plural}, "
                f"but Ray has {there.get(name, 0):g}; lower one of them or add machines"
            )
