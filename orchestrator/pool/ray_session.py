"""A Ray session: joins a cluster, or starts one that lives as long as this process."""

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

from orchestrator.pool.ray_signals import keep_signals
from orchestrator.pool.ray_token import enable_tokens
from orchestrator.text.credentials import check_no_secret
from workers.execution import isa
from workers.wire.errors import PoolError
from workers.wire.packing import INLINE_LIMIT

# Arrays above Ray's inline limit go through its object store, at 1 to 3 ms each. With this limit
# the weights and gradients of a small convolutional network travel with the calls instead.
_OUR_INLINE_BYTES = 1024 * 1024
_print = ray_worker.print_to_stdstream
_TOO_LATE = "timed out during startup"  # Ray's own words


def join_cluster() -> dict[str, float]:
    """Connect to the cluster of RAY_ADDRESS; return its resources."""
    if not ray.is_initialized():
        start_ray(0, verbose=False)
    return dict(ray.cluster_resources())


def try_ray() -> dict[str, float]:
    """Join the cluster of RAY_ADDRESS or start Ray for a moment; return the resources."""
    try:
        return join_cluster()
    finally:
        end_ray()


def end_ray() -> None:
    """Leave the cluster, or end the Ray that was started here; the next one prints again."""
    ray.shutdown()
    ray_worker.print_to_stdstream = _print


def start_ray(num_cpus: float, verbose: bool) -> None:
    """Join the cluster of RAY_ADDRESS, or start one here with so many CPUs.

    Args:
      num_cpus: CPUs of a cluster that is started; they are rounded up. verbose: print Ray's logs.
    Raises:
      ValueError: RAY_ADDRESS holds a secret, which Ray would write into its logs.
      PoolError: Ray did not start within its own time limit.
    """
    check_no_secret("RAY_ADDRESS", os.environ.get("RAY_ADDRESS", ""))
    # Without this, Ray warns of a change in how it hides GPUs from tasks that ask for none.
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    cluster = bool(os.environ.get("RAY_ADDRESS"))
    if not cluster:
        os.environ.setdefault(INLINE_LIMIT, str(_OUR_INLINE_BYTES))
        enable_tokens()
    network = contextlib.nullcontext() if cluster else _on_loopback()
    with network, keep_signals(), start_in_new_sessions(), interruptible(), _explaining_timeout():
        ray.init(
            address=None if cluster else "local",
            num_cpus=None if cluster else max(int(np.ceil(num_cpus)), 1),
            include_dashboard=None if cluster else False,
            log_to_driver=verbose,
            runtime_env=_environment() if cluster else None,
            logging_level=logging.INFO if verbose else logging.ERROR,
        )
    if not verbose:
        # For each actor that dies, Ray prints a page on standard output, where the results go. It
        # has no setting for this; the pool reports deaths itself.
        ray_worker.print_to_stdstream = _discard


def _environment() -> dict[str, Any] | None:
    """Give the processes of this job the instruction set of this one; trials compute too."""
    chosen = isa.variables(isa.in_force(os.environ), os.environ)
    return {"env_vars": chosen} if chosen else None


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Make a Ray that starts within listen on the loopback interface only.

    Ray does this on systems without clusters. It would replace 127.0.0.1 as an argument of
    `ray.init` by the machine's address in the network.
    """
    before = ray_services.ray_constants.ENABLE_RAY_CLUSTER
    ray_services.ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_services.ray_constants.ENABLE_RAY_CLUSTER = before


@contextlib.contextmanager
def _explaining_timeout() -> Iterator[None]:
    """Turn the error of Ray's own limit of 30 s, which has no setting, into a PoolError."""
    try:
        yield
    except Exception as error:
        if type(error) is not Exception or _TOO_LATE not in str(error):
            raise
        raise PoolError(
            "Ray did not start within 30 s, because this machine is busy; try again later, use "
            "--workers 0, or start Ray first (ray start --head) and set RAY_ADDRESS=auto"
        ) from None


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Raise exceptions of signal handlers unchanged when they occur in Ray's compiled code."""
    try:
        yield
    except SystemError as error:
        cause = error.__cause__
        if cause is None or isinstance(cause, Exception):
            raise
        raise cause from None


@contextlib.contextmanager
def start_in_new_sessions() -> Iterator[None]:
    """Start the processes of Ray outside the driver's process group, so that they get no signals.

    `timeout`, systemd and batch systems send signals to a whole group. Ray would end before the
    driver has saved, and the driver would wait for it for a minute.
    """
    popen = ray_services.ConsolePopen

    class NewSession(popen):  # type: ignore[misc, valid-type]
        def __init__(self, *arguments: Any, **options: Any):
            super().__init__(*arguments, start_new_session=True, **options)

    ray_services.ConsolePopen = NewSession
    try:
        yield
    finally:
        ray_services.ConsolePopen = popen


def _discard(data: Any, ignore_prefix: bool) -> None:
    """Print nothing, in place of Ray's function that prints messages."""


def folders_of_actors() -> list[str]:
    """List what Ray puts first on the import path of actors: working and script directory."""
    script = os.path.dirname(os.path.realpath(sys.argv[0]))
    return [os.getcwd(), *([script] if script in sys.path else [])]


def check_resources(count: int, cpus: float, gpus: float) -> None:
    """Refuse actors that Ray can never place.

    Args:
      count: number of actors. cpus, gpus: resources of each actor.
    Raises:
      ValueError: names what is needed and what the cluster has.
    """
    resources = ray.cluster_resources()
    for name, key, share in (("CPU", "workers.cpus", cpus), ("GPU", "workers.gpus", gpus)):
        needed = count * share
        if needed > resources.get(name, 0):
            plural = "" if needed == 1 else "s"
            raise ValueError(
                f"workers.count = {count} with {key} = {share:g} needs {needed:g} {name}{plural}, "
                f"but Ray has {resources.get(name, 0):g}; lower one of them or add machines"
            )
