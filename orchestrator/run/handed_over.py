"""What MetaTrainer does with `tasks`: settings, and files that are written before it trains."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from orchestrator.config import schema as configuration
from orchestrator.config.schema import MetaConfig
from orchestrator.run import own_tasks


class OwnTasks:
    """No tasks are handed over: the configuration says what they are."""

    @classmethod
    def of(cls, tasks: Any) -> OwnTasks:
        """Choose by what is handed over.

        Raises:
          ValueError: it cannot be trained on.
        """
        if tasks is None:
            return cls()
        if own_tasks.is_list(tasks):
            return ListedTasks(tasks)
        return FunctionTasks(tasks)

    def settings(self, config: Any) -> dict[str, Any]:
        """Give overrides of a configuration: dotted name -> value."""
        return {}

    def placed(self, config: MetaConfig, location: str) -> MetaConfig:
        """Make the configuration that knows the run's folder."""
        return config

    def write(self, location: str) -> None:
        """Write what is read in training."""


class FunctionTasks(OwnTasks):
    """A function or class, which actors import."""

    def __init__(self, tasks: Any):
        self._settings = own_tasks.settings_of(tasks)

    def settings(self, config: Any) -> dict[str, Any]:
        """See `OwnTasks.settings`."""
        return self._settings


class ListedTasks(OwnTasks):
    """Arrays, which are written into the run's folder."""

    def __init__(self, tasks: Any):
        self._arrays = own_tasks.as_arrays(tasks)

    def settings(self, config: Any) -> dict[str, Any]:
        """See `OwnTasks.settings`: with a model for images, where the configuration has none."""
        settings: dict[str, Any] = {"task.kind": "npz", "task.path": own_tasks.UNPLACED}
        if not _names_a_model(config):
            settings |= own_tasks.model_of(self._arrays)
        return settings

    def placed(self, config: MetaConfig, location: str) -> MetaConfig:
        """See `OwnTasks.placed`."""
        folder = own_tasks.folder_of(location)
        return config.model_copy(update={"task": config.task.model_copy(update={"path": folder})})

    def write(self, location: str) -> None:
        """See `OwnTasks.write`."""
        own_tasks.write(location, self._arrays)


def _names_a_model(config: Any) -> bool:
    if isinstance(config, MetaConfig):
        return True
    if isinstance(config, str | os.PathLike):
        config = configuration.read_run(os.fspath(config))
    model = config.get("model") if isinstance(config, Mapping) else None
    return isinstance(model, Mapping) and "kind" in model
