"""What MetaTrainer does with `tasks`: settings, and files that are written before it trains."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
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

    def written(self, location: str) -> AbstractContextManager[None]:
        """Write what is read in training; delete it again if no run begins in the context."""
        return nullcontext()


class FunctionTasks(OwnTasks):
    """A function or class, which actors import."""

    def __init__(self, tasks: Any):
        self._settings = own_tasks.settings_of(tasks)
        self._name = tasks.__name__

    def settings(self, config: Any) -> dict[str, Any]:
        """See `OwnTasks.settings`: with a name for the run, where the configuration has none."""
        has_name = not isinstance(config, Mapping) or "name" in config
        return self._settings if has_name else {**self._settings, "name": self._name}


class ListedTasks(OwnTasks):
    """Arrays, which are written into the run's folder."""

    def __init__(self, tasks: Any):
        self._arrays = own_tasks.as_arrays(tasks)
        self._called = dict(zip(self._arrays, own_tasks.called(tasks), strict=True))

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

    def written(self, location: str) -> AbstractContextManager[None]:
        """See `OwnTasks.written`; errors in the context speak of the list, not of files."""
        return own_tasks.written(location, self._arrays, self._called)


def _names_a_model(config: Any) -> bool:
    if isinstance(config, MetaConfig):
        return True
    if isinstance(config, str | os.PathLike):
        config = configuration.read_run(os.fspath(config))
    model = config.get("model") if isinstance(config, Mapping) else None
    return isinstance(model, Mapping) and "kind" in model
