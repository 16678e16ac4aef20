"""A trial whose run has ended: it reports again what it reported, and its folder is not opened."""

from dataclasses import asdict
from typing import Any

from orchestrator.config.schema import MetaConfig
from orchestrator.pool.base import Incidents
from orchestrator.records.history import read_history
from orchestrator.records.metrics_log import read_metrics
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from orchestrator.sweep.trial_checkpoint import (
    TrialCheckpoint,
    find_trial_run,
    holds,
    write_trial_checkpoint,
)
from orchestrator.text.json_text import decoded

#: The folder of the runs, in the sweep's folder.
TRIALS_FOLDER = "trials"


class FinishedTrial:
    """A trial that needs no process, because its run has ended.

    Ray Tune saves its own state now and then. A driver that is killed in between has trials that
    are over, and of which Tune knows that they run; it starts them again when the sweep is resumed.
    """

    def __init__(self, storage: Storage, steps: int, validation: dict[str, Any]):
        """Take the folder of the run, its outer steps, and the validation at the last of them."""
        self._storage = storage
        self._steps, self._validation = steps, validation

    def advance(self) -> dict[str, Any]:
        """Return the last report of the trial (see `Trial.advance`), without any fault."""
        seconds = sum(row["seconds"] for row in read_metrics(self._storage))
        report = report_of(self._storage.name, self._steps, self._validation, seconds, Incidents())
        return {**report, "done": True, "finished": True}

    def save(self, folder: str) -> None:
        """Write the last step to `folder`, for another trial to continue from."""
        write_trial_checkpoint(self._storage, Storage(folder))

    def close(self) -> None:
        """Do nothing: nothing is open."""


def find_finished_trial(
    config: MetaConfig, location: str, saved: TrialCheckpoint | None
) -> FinishedTrial | None:
    """Return the trial if its run was trained to the end and closed; else None.

    Args:
      config: the configuration of the trial. location: its first folder.
      saved: the checkpoint to continue from, if any.
    Raises:
      ValueError, MetatrainError: the folder cannot be read.
    """
    storage, state = find_trial_run(config, location, saved)
    if state is not None or not holds(storage, config) or not _was_closed(storage):
        return None
    latest = checkpoint.load_latest(storage)
    if latest is None or latest[1].step < config.outer.steps or not latest[1].validation:
        return None
    return FinishedTrial(storage, latest[1].step, latest[1].validation)


def report_of(
    run: str, step: int, validation: dict[str, Any], seconds: float, incidents: Incidents
) -> dict[str, Any]:
    """Return what a trial reports of a validated step, without whether it is over.

    Args:
      run: the name of the run's folder. step: the outer step.
      validation: the record of the validation in the step's checkpoint.
      seconds: of training so far. incidents: the faults recovered from.
    """
    return {
        "step": step,
        **decoded(validation["scores"]),
        "seconds": seconds,
        "run": f"{TRIALS_FOLDER}/{run}",
        **asdict(incidents),
    }


def _was_closed(storage: Storage) -> bool:
    """Tell whether the process that opened the run last has written all its files."""
    try:
        openings = read_history(storage)
    except ValueError:  # a damaged file, which the run writes again
        return False
    return bool(openings and openings[-1].ended)
