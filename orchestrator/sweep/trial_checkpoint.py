"""The checkpoint of a trial, and the folder in which a trial continues from it."""

import tomllib
from dataclasses import dataclass

from orchestrator.config.schema import MetaConfig, validate
from orchestrator.outer.state import MetaState
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage

_RUN = "run.txt"


@dataclass(frozen=True, slots=True)
class TrialCheckpoint:
    """A step from which a trial continues.

    state: the state after the step.
    run: name of the folder in which it was trained.
    """

    state: MetaState
    run: str


def write_trial_checkpoint(run: Storage, folder: Storage) -> None:
    """Copy the newest checkpoint of a run to `folder`."""
    checkpoint.copy_latest(run, folder)
    folder.write(_RUN, run.name.encode())


def read_trial_checkpoint(folder: Storage) -> TrialCheckpoint:
    """Read what `write_trial_checkpoint` wrote."""
    latest = checkpoint.load_latest(folder)
    assert latest is not None
    return TrialCheckpoint(latest[0], folder.read(_RUN).decode())


def find_trial_run(
    config: MetaConfig, location: str, saved: TrialCheckpoint | None
) -> tuple[Storage, MetaState | None]:
    """Find the folder of a trial's run, and the state to start from if that is not in the folder.

    A trial that continues from another, or whose hyperparameters change, continues in a new folder
    next to `location`, so that each folder is one run with one configuration. A checkpoint that the
    trial saved itself, to pause or in case it dies, is in its own folder too, or a newer one is.

    Args:
      location: the first folder of the trial. saved: the checkpoint to continue from, if any.
    """
    *_, last, unused = _folders(location)
    if saved is None or (saved.run == last.name and holds(last, config)):
        return last, None
    return (unused if last.exists("config.toml") else last), saved.state


def _folders(location: str) -> list[Storage]:
    """List the first folder of a trial, all further ones that exist, and the next one."""
    folders = [Storage(location)]
    while folders[-1].exists("config.toml") or len(folders) == 1:
        folders.append(Storage(beside(location, f"-{len(folders) + 1}")))
    return folders


def beside(location: str, suffix: str) -> str:
    """Append `suffix` to the name of a folder, given as a path or URI."""
    address, mark, options = location.partition("?")
    return f"{address.rstrip('/')}{suffix}{mark}{options}"


def holds(storage: Storage, config: MetaConfig) -> bool:
    """Tell whether a folder holds a checkpoint of a run with this configuration."""
    if not storage.exists("config.toml") or not checkpoint.names(storage):
        return False
    saved = validate(tomllib.loads(storage.read("config.toml").decode()))
    return saved.bits_hash() == config.bits_hash()
