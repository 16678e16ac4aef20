"""A trial: a run in its own folder that pauses to report at each validation. Knows no Ray."""

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from orchestrator.config.schema import MetaConfig, Table
from orchestrator.records.metrics_log import read_metrics
from orchestrator.reporting.notes import NOTES, show_note
from orchestrator.run.session import Opening, Start, open_run, resume_or_begin
from orchestrator.storage import checkpoint
from orchestrator.storage.claim import InUseError
from orchestrator.storage.storage import Storage
from orchestrator.sweep.finished_trial import FinishedTrial, find_finished_trial, report_of
from orchestrator.sweep.no_test_tasks import WithoutTestTasks
from orchestrator.sweep.process import THIS_PROCESS
from orchestrator.sweep.space import Point, configure
from orchestrator.sweep.trial_checkpoint import (
    TrialCheckpoint,
    find_trial_run,
    write_trial_checkpoint,
)

if TYPE_CHECKING:  # imports TensorFlow, before which the runtime must be set
    from orchestrator.run.training_run import Progress

# A killed predecessor may hold the claim until its process has ended.
_CLAIM_WITHIN_S = 60.0


class Trial:
    """The run at a point of the space. `advance` trains up to the next validation."""

    def __init__(
        self, table: Table, point: Point, location: str, saved: TrialCheckpoint | None = None
    ):
        """Open the run: new, from where it stopped, or from the checkpoint of a trial.

        Args:
          table: the table of the base with its overrides. point: the values of this trial.
          location: its folder. saved: the checkpoint to continue from; None: its own folder.
        Raises:
          ValueError, MetatrainError: the run cannot be opened.
        """
        config = configure(table, point)
        self._num_steps = config.outer.steps
        storage, state = find_trial_run(config, location, saved)
        opening = Opening(
            prepare=WithoutTestTasks,
            waiting=lambda: contextlib.nullcontext(NOTES.print),
            make_runner=THIS_PROCESS.runner,
        )
        with contextlib.ExitStack() as opened:
            self._run = opened.enter_context(
                open_run(
                    config,
                    open_when_free(storage),
                    lambda storage: (
                        resume_trial(config, storage) if state is None else Start(state)
                    ),
                    opening,
                    note=show_note,
                    command="metatrain tune",
                )
            )
            rows = read_metrics(storage)
            self._opened = opened.pop_all()
        self._steps: Iterator[Progress] = self._run.steps()
        self._seconds = sum(row["seconds"] for row in rows if row["step"] <= self._run.first_step)

    def advance(self) -> dict[str, Any]:
        """Train up to the next validation, and wait until its checkpoint is written.

        Returns:
          the report: step, every validation metric, seconds of training so far, the run's folder
          relative to the sweep's, and finished: whether all steps are done. (Tune also sets `done`
          of trials that it stops.)
        Raises:
          MetatrainError: the run failed.
        """
        began = time.monotonic()
        for progress in self._steps:
            if progress.validation:
                self._run.flush()
                self._seconds += time.monotonic() - began
                return self._report(progress.report.step, progress.validation)
        latest = checkpoint.load_latest(self._run.storage)
        assert latest is not None
        return self._report(latest[1].step, latest[1].validation)

    def save(self, folder: str) -> None:
        """Write the last validated step to `folder`, for this or another trial to continue from."""
        self._run.flush()
        write_trial_checkpoint(self._run.storage, Storage(folder))

    def close(self) -> None:
        """End the actors, and close the files."""
        self._opened.close()

    def _report(self, step: int, validation: dict[str, Any]) -> dict[str, Any]:
        run, is_done = self._run, step >= self._num_steps
        report = report_of(
            run.storage.name, step, validation, self._seconds, run.launch.pool.incidents
        )
        return {**report, "done": is_done, "finished": is_done}


def open_trial(
    table: Table, point: Point, location: str, saved: TrialCheckpoint | None = None
) -> Trial | FinishedTrial:
    """Open the run of a trial, or return what it ended with; see `Trial`."""
    finished = find_finished_trial(configure(table, point), location, saved)
    return finished or Trial(table, point, location, saved)


@contextlib.contextmanager
def open_when_free(storage: Storage) -> Iterator[Storage]:
    """Open a trial's folder once its last owner has ended.

    Raises:
      InUseError, ValueError, MetatrainError: see `Storage.claim`.
    """
    _claim_when_free(storage)
    try:
        yield storage
    finally:
        storage.release()


def resume_trial(config: MetaConfig, storage: Storage) -> Start:
    """Find the state from which a trial continues in its own folder."""
    return resume_or_begin(config, storage, True, False, note=lambda text: None)


def _claim_when_free(storage: Storage) -> None:
    until = time.monotonic() + _CLAIM_WITHIN_S
    while time.monotonic() < until:
        with contextlib.suppress(InUseError):
            storage.claim(print)
            return
        time.sleep(0.5)
    storage.claim(print)
