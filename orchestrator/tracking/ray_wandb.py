"""Weights & Biases through Ray's integration."""

import os
import uuid
from collections.abc import Mapping
from typing import Any

from ray.air.integrations.wandb import setup_wandb

from orchestrator.tracking.tracker import Opened, TrackedRun


class WandbTracker:
    """A run in a project of Weights & Biases."""

    def __init__(self, project: str, run: TrackedRun):
        """Begin a run there, or continue the one of `run.id`."""
        self.id = run.id or uuid.uuid4().hex[:12]
        places: dict[str, Any] = {"dir": run.folder} if run.folder else {}
        self._run = setup_wandb(
            dict(run.config),
            project=project,
            trial_id=self.id,
            trial_name=run.name,
            group=run.experiment,
            **places,
        )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of an outer step."""
        self._run.log(dict(metrics), step=step)

    def close(self, ended: str) -> None:
        """End the run."""
        self._run.finish(exit_code=0 if ended == "finished" else 1)


def open_wandb(project: str, run: TrackedRun) -> Opened:
    """Open a run of Weights & Biases; see `tracker.Opened`."""
    os.environ.setdefault("WANDB_SILENT", "true")  # metatrain says where the run is logged
    return WandbTracker(project, run)
