"""Ray Tune's schedulers, which also see to it that a worn process serves no other trial.

Tune uses a trial's process again, or for no trial. It decides that when a trial is over, right
after it has told the scheduler; what it looks at is an attribute of its controller.
"""

from typing import Any

from ray.tune.schedulers import (
    AsyncHyperBandScheduler,
    FIFOScheduler,
    MedianStoppingRule,
    PopulationBasedTraining,
)

from orchestrator.sweep.ray_trial import WORN


class _Renewing:
    """Before a scheduler of Tune's."""

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """A trial is over; `result` is its last."""
        tune_controller._reuse_actors = not result.get(WORN, False)
        super().on_trial_complete(tune_controller, trial, result)  # type: ignore[misc]


class Fifo(_Renewing, FIFOScheduler):
    """Stops nothing."""


class Asha(_Renewing, AsyncHyperBandScheduler):
    """Stops what is not among the best of a rung."""


class Median(_Renewing, MedianStoppingRule):
    """Stops what is below the median."""


class Pbt(_Renewing, PopulationBasedTraining):
    """Lets the worst go on from the best."""
