"""Translation of Ray Train's ScalingConfig and RunConfig into settings.

They override the configuration. Setting a field that metatrain does not support raises an error
that names it.
"""

import dataclasses
from typing import Any

from orchestrator.config.driver_settings import MOST_FAILURES
from orchestrator.config.schema import Table

# The fields that are read; any other field must have its default.
_SUPPORTED = {
    "ScalingConfig": {"num_workers", "use_gpu", "resources_per_worker"},
    "RunConfig": {"name", "storage_path", "failure_config", "checkpoint_config"},
    "FailureConfig": {"max_failures"},
    "CheckpointConfig": {"num_to_keep"},
}


def of_scaling_config(scaling: Any) -> Table:
    """Translate a ScalingConfig into dotted names and values.

    Raises:
      ValueError: it sets a field that is not supported.
    """
    _refuse_others(scaling)
    resources = scaling.resources_per_worker or {}
    others = sorted(resources.keys() - {"CPU", "GPU"})
    if others:
        raise ValueError(
            f"ScalingConfig(resources_per_worker=...) names {', '.join(others)}; supported are "
            "'CPU' and 'GPU'"
        )
    settings: Table = {"workers.count": _count(scaling.num_workers)}
    settings["workers.gpus"] = resources.get("GPU", 1 if scaling.use_gpu else 0)
    if "CPU" in resources:
        settings["workers.cpus"] = resources["CPU"]
    return settings


def _count(num_workers: int | tuple[int, int]) -> int | Table:
    """Translate num_workers; a pair is Ray's elastic range, as many workers as there is room for.

    Raises:
      ValueError: the range starts at 0.
    """
    if isinstance(num_workers, int):
        return num_workers
    least, most = num_workers
    if least < 1:
        raise ValueError(
            f"ScalingConfig(num_workers={num_workers!r}) starts at {least}; a range starts at 1 or "
            f"more, such as (1, {max(1, most)}); 0 alone is this process without Ray"
        )
    return {"min": least, "max": most}


def of_run_config(run: Any) -> Table:
    """Translate a RunConfig into dotted names and values; `location` gives the run's folder.

    Raises:
      ValueError: it sets a field that is not supported.
    """
    _refuse_others(run)
    settings: Table = {"name": run.name}
    failures, checkpoints = run.failure_config, run.checkpoint_config
    if failures is not None:
        _refuse_others(failures)
        if failures.max_failures:  # 0 is Ray's default
            endless = failures.max_failures < 0  # Ray's word for no limit
            settings["workers.max_failures"] = MOST_FAILURES if endless else failures.max_failures
    if checkpoints is not None:
        _refuse_others(checkpoints)
        if checkpoints.num_to_keep is not None:
            settings["checkpoint.keep"] = checkpoints.num_to_keep
    return settings


def location(run: Any) -> str:
    """Return the run's folder: storage_path/name."""
    return f"{str(run.storage_path).rstrip('/')}/{run.name}"


def _refuse_others(config: Any) -> None:
    kind = type(config).__name__
    defaults = type(config)()
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if field.name in _SUPPORTED[kind] or value == getattr(defaults, field.name):
            continue
        raise ValueError(
            f"metatrain does not support {kind}({field.name}={value!r}); supported fields: "
            f"{', '.join(sorted(_SUPPORTED[kind]))}"
        )
