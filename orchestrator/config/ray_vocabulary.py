"""Ray Train's ScalingConfig and RunConfig in our own words.

What is set there overrides ours; what is set there and means nothing here is refused by name.
"""

import dataclasses
import sys
from typing import Any

from orchestrator.config.schema import Table

# What we read of each; any other field must have its default.
_HONOURED = {
    "ScalingConfig": {"num_workers", "use_gpu", "resources_per_worker"},
    "RunConfig": {"name", "storage_path", "failure_config", "checkpoint_config"},
    "FailureConfig": {"max_failures"},
    "CheckpointConfig": {"num_to_keep"},
}


def of_scaling_config(scaling: Any) -> Table:
    """Dotted name -> value.

    Raises:
      ValueError: it sets what we do not honour.
    """
    _refuse_others(scaling)
    if not isinstance(scaling.num_workers, int):
        raise ValueError(
            f"ScalingConfig(num_workers={scaling.num_workers!r}) is a range; give a number"
        )
    resources = scaling.resources_per_worker or {}
    others = sorted(resources.keys() - {"CPU", "GPU"})
    if others:
        raise ValueError(
            f"ScalingConfig(resources_per_worker=...) names {', '.join(others)}; an actor takes "
            "'CPU' and 'GPU'"
        )
    settings: Table = {"workers.count": scaling.num_workers}
    settings["workers.gpus"] = resources.get("GPU", 1 if scaling.use_gpu else 0)
    if "CPU" in resources:
        settings["workers.cpus"] = resources["CPU"]
    return settings


def of_run_config(run: Any) -> Table:
    """Dotted name -> value; the run's folder is `location`'s.

    Raises:
      ValueError: it sets what we do not honour.
    """
    _refuse_others(run)
    settings: Table = {"name": run.name}
    failures, checkpoints = run.failure_config, run.checkpoint_config
    if failures is not None:
        _refuse_others(failures)
        if failures.max_failures:  # 0 is Ray's default, not a wish
            endless = failures.max_failures < 0
            settings["workers.max_failures"] = sys.maxsize if endless else failures.max_failures
    if checkpoints is not None:
        _refuse_others(checkpoints)
        if checkpoints.num_to_keep is not None:
            settings["checkpoint.keep"] = checkpoints.num_to_keep
    return settings


def location(run: Any) -> str:
    """The run's folder: storage_path/name."""
    return f"{str(run.storage_path).rstrip('/')}/{run.name}"


def _refuse_others(config: Any) -> None:
    kind = type(config).__name__
    defaults = type(config)()
    for each in dataclasses.fields(config):
        value = getattr(config, each.name)
        if each.name in _HONOURED[kind] or value == getattr(defaults, each.name):
            continue
        raise ValueError(
            f"metatrain does not support {kind}({each.name}={value!r}); supported fields: "
            f"{', '.join(sorted(_HONOURED[kind]))}"
        )
