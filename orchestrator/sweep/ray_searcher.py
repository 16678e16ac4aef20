"""Optuna's searcher, told how trials really ended."""

import math
from typing import Any

from ray.tune.search.optuna import OptunaSearch


class Searcher(OptunaSearch):
    """Tells Optuna what Ray Tune's own does not.

    A trial that failed is failed, which TPE leaves out; Tune told a score that is not a number,
    Optuna refused it, and the trial ran on in the study for ever, as one of the bad ones. A trial
    that was stopped early is pruned: TPE puts it behind all that came to their end, and before
    others that were stopped earlier or at a worse score. Tune called it complete, so that a score
    after a tenth of the steps counted as much as one after all.
    """

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """A trial has ended; `result` is its last report, see `RayTrial.step`."""
        score = (result or {}).get(self.metric, 0.0)
        failed = error or bool(result and result.get("failed")) or math.isnan(score)
        if failed or not (result and result.get("finished")):
            result = None
        super().on_trial_complete(trial_id, result, error=failed)
