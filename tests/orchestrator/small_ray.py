"""A Ray for tests: no dashboard, nothing printed."""

import contextlib
import os
from collections.abc import Iterator

import ray


@contextlib.contextmanager
def running_ray(num_cpus: int, num_gpus: int = 0) -> Iterator[None]:
    """Start Ray with so many logical CPUs and GPUs, and end it."""
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or Ray warns of a change
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
