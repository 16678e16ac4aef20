"""What Ray Tune logs to MLflow, with outer steps on the axis."""

from typing import Any

from ray.air.integrations.mlflow import MLflowLoggerCallback

# What Ray's logger takes the step from, where it is given; otherwise it counts reports.
_STEP_OF_RAY = "timesteps_total"


class OuterStepLogger(MLflowLoggerCallback):
    """Logs each report at the outer step that it is of."""

    def log_trial_result(self, iteration: int, trial: Any, result: dict[str, Any]) -> None:
        """See `MLflowLoggerCallback`."""
        super().log_trial_result(iteration, trial, {**result, _STEP_OF_RAY: result["step"]})
