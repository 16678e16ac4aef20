"""Where a trial goes on: in its own folder, or in a new one from what another has handed over."""

import tomllib
from dataclasses import dataclass

from orchestrator.config.schema import MetaConfig, validate
from orchestrator.outer.state import MetaState
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage

_RUN = "run.txt"


@dataclass(frozen=True, slots=True)
class Handed:
    """A step that was handed over. run: the name of the folder that it was trained in."""

    state: MetaState
    run: str


def hand_over(run: Storage, folder: Storage) -> None:
    """Copy the newest checkpoint of a run into `folder`."""
    checkpoint.copy_latest(run, folder)
    folder.write(_RUN, run.name.encode())


def take_over(folder: Storage) -> Handed:
    """What `hand_over` has left there."""
    found = checkpoint.load_latest(folder)
    assert found is not None
    return Handed(found[0], folder.read(_RUN).decode())


def where_to_go_on(
    config: MetaConfig, location: str, handed: Handed | None
) -> tuple[Storage, MetaState | None]:
    """The folder of a trial's run, and what it starts from where that is not in the folder itself.

    A trial that takes over from another, or whose hyperparameters change as it runs, goes on in a
    new folder beside `location`: each folder is one run, with one configuration. What it has
    handed over itself, to pause or in case it dies, is in its own folder too, or something newer.
    """
    *_, last, unused = _folders(location)
    if handed is None or (handed.run == last.name and _holds(last, config)):
        return last, None
    return (unused if last.exists("config.toml") else last), handed.state


def _folders(location: str) -> list[Storage]:
    """The first, all further ones that are there, and the next."""
    places = [Storage(location)]
    while places[-1].exists("config.toml") or len(places) == 1:
        places.append(Storage(beside(location, f"-{len(places) + 1}")))
    return places


def beside(location: str, suffix: str) -> str:
    """A folder's path or URI with something behind its name."""
    address, mark, options = location.partition("?")
    return f"{address.rstrip('/')}{suffix}{mark}{options}"


def _holds(storage: Storage, config: MetaConfig) -> bool:
    """Whether a run of this configuration has got somewhere there."""
    if not storage.exists("config.toml") or not checkpoint.names(storage):
        return False
    there = validate(tomllib.loads(storage.read("config.toml").decode()))
    return there.bits_hash() == config.bits_hash()
