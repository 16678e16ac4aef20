"""The callback of Ray Tune that passes events on to the trial table."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ray import tune

from orchestrator.sweep.dimension import Dimension
from orchestrator.sweep.ray_trial import WORN, point_of
from orchestrator.sweep.trial_table import TrialTable
from workers.execution.process_memory import release_memory

# The keys of a result that Tune, its schedulers and searchers read.
_KEPT = {
    "done",
    "failed",
    "finished",
    "hostname",
    "node_ip",
    "pid",
    "should_checkpoint",
    "step",
    "time_this_iter_s",
    "time_total_s",
    "training_iteration",
    "trial_id",
    WORN,
}


class Relay(tune.Callback):
    """The callback of a sweep.

    Tune pickles its callbacks with a sweep, so the table is an attribute of the class.

    trial_table: takes the events; None for nobody.
    space: the search space of the sweep.
    """

    trial_table: ClassVar[TrialTable | None] = None
    space: ClassVar[Mapping[str, Dimension]] = {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **more: Any) -> None:
        """Report that a trial starts or continues."""
        if self.trial_table is not None:
            self.trial_table.start(trial.trial_id, point_of(trial.config, self.space))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **more: Any
    ) -> None:
        """Report that a trial was validated, or failed.

        Tune keeps each result, and six statistics of each number in it, for each trial. So keys
        that it does not need are deleted here, after the trial table has taken them.
        """
        if self.trial_table is not None:
            self.trial_table.report(trial.trial_id, result)
            for name in result.keys() - _KEPT - {self.trial_table.metric}:
                del result[name]

    def get_state(self) -> None:
        """Write sweep.parquet: Tune calls this when it saves its own state."""
        if self.trial_table is not None:
            self.trial_table.write()
        release_memory()  # each state is a text of all trials, and leaves ever larger gaps

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **more: Any) -> None:
        """Report that a trial is over."""
        if self.trial_table is not None:
            self.trial_table.end(trial.trial_id)
            trial.metric_analysis.clear()
            trial.metric_n_steps.clear()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **more: Any) -> None:
        """Report that the process of a trial died too often."""
        if self.trial_table is not None:
            cause = str(trial.get_error() or "its process ended").strip().splitlines()
            self.trial_table.end(trial.trial_id, failed=cause[-1] if cause else "its process ended")
