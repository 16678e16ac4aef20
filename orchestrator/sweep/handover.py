"""Where a trial goes on: in its own folder, or in a new one from what another has handed over."""

import tomllib

from orchestrator import checkpoint
from orchestrator.config import MetaConfig, validate
from orchestrator.state import MetaState
from orchestrator.storage import Storage


def where_to_go_on(
    config: MetaConfig, location: str, donor: MetaState | None
) -> tuple[Storage, MetaState | None]:
    """The folder of a trial's run, and what it starts from where that is not in the folder itself.

    A trial whose hyperparameters change as it runs goes on in a new folder beside `location`: each
    folder is one run, with one configuration.
    """
    *_, last, unused = _folders(location)
    if donor is None or _holds(last, config):
        return last, None
    return (unused if last.exists("config.toml") else last), donor


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
