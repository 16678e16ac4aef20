"""Whether Ray runs in this process, without importing it to find out."""

import sys


def ray_is_running() -> bool:
    """Say whether this process has called `ray.init`."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())
