"""MLflow through Ray's integration, with outer steps on the axis: for sweeps and single runs."""

import os
from collections.abc import Mapping
from typing import Any

from ray.air.integrations.mlflow import MLflowLoggerCallback, setup_mlflow

from orchestrator.text.plain_text import file_name
from orchestrator.tracking.mlflow_server import without_patience
from orchestrator.tracking.tracker import Opened, TrackedRun

# The key from which Ray's logger takes the step; without it, it counts reports.
_STEP_OF_RAY = "timesteps_total"
# MLflow continues the run of this id.
_RUN_ID = "MLFLOW_RUN_ID"
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "stopped": "KILLED"}


class OuterStepLogger(MLflowLoggerCallback):
    """A logger that logs each report at its outer step."""

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        """Log a report; see `MLflowLoggerCallback`."""
        super().log_trial_result(iteration, trial, {**result, _STEP_OF_RAY: result["step"]})


class MlflowTracker:
    """A run on an MLflow server. A run that was active before is used, and left active."""

    def __init__(self, uri: str, run: TrackedRun):
        """Begin a run there, or continue the one of `run.id`."""
        import mlflow

        self._is_ours = mlflow.active_run() is None
        if run.id and self._is_ours:
            os.environ[_RUN_ID] = run.id
        try:
            with without_patience():
                self._mlflow = setup_mlflow(
                    {} if run.id else dict(run.config),
                    tracking_uri=uri,
                    experiment_name=file_name(run.experiment),
                    run_name=run.name,
                    create_experiment_if_not_exists=True,
                )
        finally:
            os.environ.pop(_RUN_ID, None)
        self.id = str(self._mlflow.active_run().info.run_id)

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Log the metrics of an outer step."""
        with without_patience():
            self._mlflow.log_metrics(dict(metrics), step=step)

    def close(self, ended: str) -> None:
        """End the run, unless it was active before."""
        if self._is_ours:
            with without_patience():
                self._mlflow.end_run(status=_STATUS[ended])


def open_mlflow(uri: str, run: TrackedRun) -> Opened:
    """Open a run on an MLflow server; see `tracker.Opened`."""
    return MlflowTracker(uri, run)
