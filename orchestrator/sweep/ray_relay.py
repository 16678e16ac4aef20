"""Passes on what Ray Tune tells its callbacks."""

from typing import Any, ClassVar

from ray import tune

from orchestrator.sweep.board import SweepBoard
from orchestrator.sweep.ray_trial import point_of


class Relay(tune.Callback):
    """Tune pickles its callbacks with a sweep; whom they tell is this process' own."""

    board: ClassVar[SweepBoard | None] = None

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **more: Any) -> None:
        """A trial begins, or goes on."""
        if self.board is not None:
            self.board.start(trial.trial_id, point_of(trial.config))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **more: Any
    ) -> None:
        """It was validated, or failed."""
        if self.board is not None:
            self.board.report(trial.trial_id, result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **more: Any) -> None:
        """It is over."""
        if self.board is not None:
            self.board.end(trial.trial_id)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **more: Any) -> None:
        """Its process died too often."""
        if self.board is not None:
            cause = str(trial.get_error() or "its process ended").strip().splitlines()
            self.board.end(trial.trial_id, failed=cause[-1] if cause else "its process ended")
