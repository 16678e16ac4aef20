"""The tracking of a single run on the services that its configuration names.

The run's folder has everything; a service gets a copy of its metrics. So a service that fails is
reported once and left out, and the run continues.
"""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import Any

from orchestrator.config.schema import MetaConfig, flatten
from orchestrator.storage.storage import Storage
from orchestrator.text.json_text import dumps, loads
from orchestrator.tracking.registry import SERVICES
from orchestrator.tracking.tracker import Opened, TrackedRun

#: Holds what each service called the run, so that a resume continues it there.
TRACKING_FILE = "tracking.json"
# Between validations a step is logged at most so often: a call may take as long as many steps.
_EVERY_S = 1.0

Say = Callable[[str], None]


def services_of(config: MetaConfig) -> dict[str, str]:
    """Return the services that the configuration names, with their settings."""
    settings = {"mlflow": config.tracking.mlflow, "wandb": config.tracking.wandb}
    return {name: value for name, value in settings.items() if value is not None}


def check_tracking(config: MetaConfig) -> None:
    """Refuse services that are not installed, or that do not answer.

    Raises:
      ValueError: names the key, its value and what to do.
    """
    for name, setting in services_of(config).items():
        SERVICES[name].check(setting, f"tracking.{name}")


class Tracking:
    """The services of a run; without any it does nothing."""

    def __init__(self, config: MetaConfig, storage: Storage, notify: Say):
        """Open nothing yet.

        Args:
          notify: takes a line about a service that fails.
        """
        self._config, self._storage = config, storage
        self._notify, self._last_step = notify, config.outer.steps
        self._logged_at = -_EVERY_S
        self._services: dict[str, Opened] = {}

    def open(self) -> None:
        """Open the run on each service; `close` ends it, also if this raises.

        Raises:
          OSError: the run's folder cannot be written to.
        """
        config, storage = self._config, self._storage
        if not (chosen := services_of(config)):
            return
        ids = _read_ids(storage)
        table = flatten(config.model_dump(mode="json", exclude_none=True))
        for name, setting in chosen.items():
            folder = str(storage.local) if storage.local is not None else ""
            run = TrackedRun(config.name, storage.name, table, ids.get(name, ""), folder)
            with self._trying(name):
                self._services[name] = SERVICES[name].open(setting, run)
        ids |= {name: service.id for name, service in self._services.items()}
        storage.write_changed(TRACKING_FILE, dumps(ids, indent=1).encode())

    def log(self, row: Mapping[str, Any], validated: bool) -> None:
        """Log a row of metrics.jsonl: each validated step, the last, and one a second of others."""
        if not self._services:
            return
        now, step = time.monotonic(), int(row["step"])
        if not validated and step != self._last_step and now - self._logged_at < _EVERY_S:
            return
        self._logged_at = now
        self._send(step, {name: value for name, value in row.items() if name != "step"})

    def log_test(self, scores: Mapping[str, float]) -> None:
        """Log the scores on the test tasks, at the last step."""
        if self._services:
            self._send(self._last_step, {f"test_{name}": value for name, value in scores.items()})

    def close(self, ended: str) -> None:
        """End the run on each service. ended: "finished", "stopped" or "failed"."""
        for name, service in [*self._services.items()]:
            with self._trying(name):
                service.close(ended)
        self._services = {}

    def _send(self, step: int, metrics: Mapping[str, Any]) -> None:
        numbers = {name: float(value) for name, value in metrics.items()}
        for name, service in [*self._services.items()]:
            with self._trying(name):
                service.log(step, numbers)

    @contextmanager
    def _trying(self, name: str) -> Iterator[None]:
        """Leave a service out if it fails. What services print goes to standard error."""
        try:
            with redirect_stdout(sys.stderr):
                yield
        except Exception as error:  # any of a service's own
            self._services.pop(name, None)
            lines = str(error).strip().splitlines()
            why = lines[0] if lines else type(error).__name__
            self._notify(
                f"{SERVICES[name].title} takes no more of this run: {why}; the run continues, and "
                "its folder has all metrics"
            )


def _read_ids(storage: Storage) -> dict[str, str]:
    if not storage.exists(TRACKING_FILE):
        return {}
    try:
        ids = loads(storage.read(TRACKING_FILE))
    except ValueError:  # damaged: a new run is opened on the services
        return {}
    return {str(name): str(id) for name, id in ids.items()} if isinstance(ids, dict) else {}
