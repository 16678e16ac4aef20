"""Optuna's searcher with correct final states of trials."""

import math
from typing import Any

from ray.tune.search.optuna import OptunaSearch


class Searcher(OptunaSearch):
    """A searcher that tells Optuna how trials ended, which Ray Tune's own does not.

    A failed trial is marked as failed, and TPE ignores it. With Tune's searcher its score is not a
    number, Optuna refuses that, and the trial stays in the study for ever as a bad one.

    A trial that was stopped early is marked as pruned: TPE ranks it behind all finished trials, and
    before trials that were stopped earlier or at a worse score. Tune's searcher marks it as
    complete, so that a score after a tenth of the steps counts as much as one after all.
    """

    def on_trial_complete(
        self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False
    ) -> None:
        """Mark an ended trial as complete, pruned or failed.

        Args:
          result: its last report, see `RayTrial.step`.
        """
        score = (result or {}).get(self.metric, 0.0)
        failed = error or bool(result and result.get("failed")) or math.isnan(score)
        if failed or not (result and result.get("finished")):
            result = None
        super().on_trial_complete(trial_id, result, error=failed)
