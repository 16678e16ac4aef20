"""The check whether Ray runs in this process, which does not import Ray."""

import sys


def ray_is_running() -> bool:
    """Tell whether this process has called `ray.init`."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())
