"""Ray Tune's schedulers, which also keep a worn process from serving another trial.

When a trial is over, Tune decides whether to reuse its process right after it has called the
scheduler. It decides by an attribute of its controller, which the scheduler sets here.
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
    """A mixin that goes before a scheduler of Tune's."""

    def on_trial_complete(self, tune_controller: Any, trial: Any, result: dict[str, Any]) -> None:
        """Reuse the process of the finished trial only if its last `result` allows it."""
        tune_controller._reuse_actors = not result.get(WORN, False)
        super().on_trial_complete(tune_controller, trial, result)  # type: ignore[misc]


class Fifo(_Renewing, FIFOScheduler):
    """A scheduler that stops no trial."""


class Asha(_Renewing, AsyncHyperBandScheduler):
    """A scheduler that stops trials that are not among the best of a rung."""


class Median(_Renewing, MedianStoppingRule):
    """A scheduler that stops trials below the median."""


class Pbt(_Renewing, PopulationBasedTraining):
    """A scheduler that lets the worst trials continue from the best."""
