"""Rays for tests: one that all files of a process share, and one of a test's own.

No dashboard, nothing printed.
"""

import contextlib
import os
from collections.abc import Iterator

import ray
from ray.cluster_utils import Cluster

from orchestrator.pool.ray_token import enable_tokens

#: Of the shared Ray, whatever the machine has.
NUM_CPUS, NUM_GPUS = 8, 2


@contextlib.contextmanager
def shared_cluster() -> Iterator[str]:
    """Start a Ray that this process joins and leaves again and again; its address."""
    _set_environment()
    nodes = _one_node(tries=3)
    try:
        yield nodes.address
    finally:
        nodes.shutdown()


def _one_node(tries: int) -> Cluster:
    """Ray allows its first node 30 s to start, which a busy machine can take."""
    nodes = Cluster()
    try:
        nodes.add_node(
            num_cpus=NUM_CPUS,
            num_gpus=NUM_GPUS,
            include_dashboard=False,
            include_log_monitor=False,  # it reads for drivers that show what actors print
            no_monitor=True,  # of an autoscaler
            object_store_memory=400 * 1024**2,
            # Workers come with the actors that need them, not one for each of the CPUs.
            _system_config={"prestart_worker_first_driver": False},
        )
    except Exception:
        nodes.shutdown()
        if tries == 1:
            raise
        return _one_node(tries - 1)
    return nodes


@contextlib.contextmanager
def joined(address: str) -> Iterator[None]:
    """Join the Ray at `address`, and leave it without any actor of ours."""
    _set_environment()
    ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def running_ray(num_cpus: int, num_gpus: int = 0) -> Iterator[None]:
    """Start Ray with so many logical CPUs and GPUs, and end it."""
    _set_environment()
    ray.init(
        address="local",
        num_cpus=num_cpus,
        num_gpus=num_gpus,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        yield
    finally:
        ray.shutdown()


def _set_environment() -> None:
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray warns of a change
    # As `start_ray` leaves it: who joins a Ray must want a token if those who started it did.
    enable_tokens()
