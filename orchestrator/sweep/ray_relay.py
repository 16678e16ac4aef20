"""Passes on what Ray Tune tells its callbacks."""

from collections.abc import Mapping
from typing import Any, ClassVar

from ray import tune

from orchestrator.sweep.dimension import Dimension
from orchestrator.sweep.process import give_back
from orchestrator.sweep.ray_trial import WORN, point_of
from orchestrator.sweep.trial_table import SweepBoard

# Of a result: what Tune, its schedulers and searchers read.
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
    """Tune pickles its callbacks with a sweep; whom they tell is this process' own.

    board: what is told. space: the sweep's.
    """

    board: ClassVar[SweepBoard | None] = None
    space: ClassVar[Mapping[str, Dimension]] = {}

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **more: Any) -> None:
        """A trial begins, or goes on."""
        if self.board is not None:
            self.board.start(trial.trial_id, point_of(trial.config, self.space))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **more: Any
    ) -> None:
        """It was validated, or failed.

        Tune keeps a result for good, and six statistics of each number in it, for each trial: what
        nobody asks it for is taken out. The board has it all.
        """
        if self.board is not None:
            self.board.report(trial.trial_id, result)
            for name in result.keys() - _KEPT - {self.board.metric}:
                del result[name]

    def get_state(self) -> None:
        """Asked for when Tune saves what it knows: sweep.parquet then knows as much."""
        if self.board is not None:
            self.board.write()
        give_back()

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **more: Any) -> None:
        """It is over."""
        if self.board is not None:
            self.board.end(trial.trial_id)
            trial.metric_analysis.clear()
            trial.metric_n_steps.clear()

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **more: Any) -> None:
        """Its process died too often."""
        if self.board is not None:
            cause = str(trial.get_error() or "its process ended").strip().splitlines()
            self.board.end(trial.trial_id, failed=cause[-1] if cause else "its process ended")
