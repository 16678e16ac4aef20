"""The registry of tracking services: a new one is a file, a row here, and a key of [tracking]."""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

from orchestrator.tracking.mlflow_server import check_mlflow
from orchestrator.tracking.tracker import Opened, TrackedRun
from orchestrator.tracking.wandb_account import check_wandb


@dataclass(frozen=True, slots=True)
class Service:
    """A tracking service.

    title: its name for people.
    check: takes a setting and its key; refuses what cannot work, before anything starts.
    place: "module:function" that opens a run; it imports Ray.
    """

    title: str
    check: Callable[[str | None, str], None]
    place: str

    def open(self, setting: str, run: TrackedRun) -> Opened:
        """Open a run. Raises any error of the service."""
        module, _, function = self.place.partition(":")
        opened: Opened = getattr(importlib.import_module(module), function)(setting, run)
        return opened


#: Key of [tracking] -> its service.
SERVICES = {
    "mlflow": Service("MLflow", check_mlflow, "orchestrator.tracking.ray_mlflow:open_mlflow"),
    "wandb": Service("Weights & Biases", check_wandb, "orchestrator.tracking.ray_wandb:open_wandb"),
}
