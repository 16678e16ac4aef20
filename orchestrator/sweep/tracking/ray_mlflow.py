"""The MLflow logger of Ray Tune, with outer steps on the axis."""

from typing import Any

from ray.air.integrations.mlflow import MLflowLoggerCallback

# The key from which Ray's logger takes the step; without it, it counts reports.
_STEP_OF_RAY = "timesteps_total"


class OuterStepLogger(MLflowLoggerCallback):
    """A logger that logs each report at its outer step."""

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        """Log a report; see `MLflowLoggerCallback`."""
        super().log_trial_result(iteration, trial, {**result, _STEP_OF_RAY: result["step"]})
