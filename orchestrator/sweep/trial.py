"""A trial: a run in its own folder that stops to report at each validation. Knows no Ray."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from orchestrator.config.schema import MetaConfig, Table
from orchestrator.records.metrics_log import read_metrics
from orchestrator.reporting.notes import NOTES, show_note
from orchestrator.run.session import Opening, Start, open_run, resume_or_begin
from orchestrator.run.training_run import Progress
from orchestrator.storage import checkpoint
from orchestrator.storage.claim import InUseError
from orchestrator.storage.storage import Storage
from orchestrator.sweep.no_test_tasks import WithoutTestTasks
from orchestrator.sweep.process import HERE
from orchestrator.sweep.space import Point, configure
from orchestrator.sweep.trial_checkpoint import Handed, hand_over, where_to_go_on
from orchestrator.text.json_text import decoded

#: Where the runs are, below the sweep's folder.
FOLDER = "trials"
# A killed predecessor may hold the folder until its process has ended.
_CLAIM_WITHIN_S = 60.0


class Trial:
    """The run at a point of the space. `advance` trains up to the next validation."""

    def __init__(self, table: Table, point: Point, location: str, handed: Handed | None = None):
        """Open the run: afresh, from where it was, or from what another handed over.

        Raises:
          ValueError, MetatrainError: the run cannot be opened.
        """
        config = configure(table, point)
        self._num_steps = config.outer.steps
        storage, state = where_to_go_on(config, location, handed)
        opening = Opening(
            prepare=WithoutTestTasks,
            waiting=lambda: contextlib.nullcontext(NOTES.print),
            make_runner=HERE.runner,
        )
        with contextlib.ExitStack() as opened:
            self._run = opened.enter_context(
                open_run(
                    config,
                    open_soon(storage),
                    lambda storage: go_on(config, storage) if state is None else Start(state),
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
          what is reported: step, every validation metric, seconds of training so far, and where the
          run is, seen from the sweep's folder. finished: nobody has stopped it, which Tune calls
          done too.
        Raises:
          MetatrainError: the run failed.
        """
        began = time.monotonic()
        for progress in self._steps:
            if progress.validation:
                self._run.flush()
                self._seconds += time.monotonic() - began
                return self._report(progress.report.step, progress.validation)
        found = checkpoint.load_latest(self._run.storage)
        assert found is not None
        return self._report(found[1].step, found[1].validation)

    def hand_over(self, folder: str) -> None:
        """Leave the last validated step in `folder`, for this or another trial to go on from."""
        self._run.flush()
        hand_over(self._run.storage, Storage(folder))

    def close(self) -> None:
        """End the actors, close the files."""
        self._opened.close()

    def _report(self, step: int, validation: dict[str, Any]) -> dict[str, Any]:
        return {
            "step": step,
            **decoded(validation["scores"]),
            "seconds": self._seconds,
            "run": f"{FOLDER}/{self._run.storage.name}",
            "done": step >= self._num_steps,
            "finished": step >= self._num_steps,
            **asdict(self._run.launch.pool.incidents),
        }


@contextlib.contextmanager
def open_soon(storage: Storage) -> Iterator[Storage]:
    """Open a trial's folder once its last owner has ended. Raises as `Storage.claim` does."""
    _claim_soon(storage)
    try:
        yield storage
    finally:
        storage.release()


def go_on(config: MetaConfig, storage: Storage) -> Start:
    """Find what a trial goes on from in its own folder."""
    return resume_or_begin(config, storage, True, False, note=lambda text: None)


def _claim_soon(storage: Storage) -> None:
    until = time.monotonic() + _CLAIM_WITHIN_S
    while time.monotonic() < until:
        with contextlib.suppress(InUseError):
            storage.claim(print)
            return
        time.sleep(0.5)
    storage.claim(print)
