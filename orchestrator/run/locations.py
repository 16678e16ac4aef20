"""The default folders of runs and sweeps."""

from collections.abc import Sequence
from pathlib import Path

from orchestrator.config.schema import MetaConfig
from orchestrator.text.credentials import check_no_secret
from orchestrator.text.plain_text import file_name

_MOST = 10_000
# Files and folders that mark the folder of a run, of a sweep, and of several seeds.
_RUN, _SWEEP = ("config.toml", "checkpoints", "history.json"), ("sweep.json",)
_SEEDS = ("seeds.json",)


def run_location(config: MetaConfig, source: object, out: str | None, resume: bool) -> str:
    """Return the folder of a run: `out`, or the first free one of runs/NAME, runs/NAME-2, ...

    To resume, it is the folder whose own config.toml is `source`, or the last one that holds a run.

    Args:
      source: what the configuration was loaded from.
      out: the folder as given, None if it was not.
      resume: whether to resume a run.
    Raises:
      ValueError: there is nothing to resume, or `out` is a URI that holds a secret.
    """
    if out is not None:
        check_no_secret("", out)
        return out
    if not resume:
        return _first_free(config.name)
    if (folder := _own_folder(source)) is not None:
        return str(folder)
    if (last := _last(config.name, _RUN)) is None:
        raise ValueError(
            f"there is no run to resume: {_place(config.name, 1)} holds none; leave out --resume "
            "to start one there, or give --out with the folder of the run"
        )
    return last


def sweep_location(name: str, out: str | None, resume: bool) -> str:
    """Return the folder of a sweep of this name, as `run_location` does for a run.

    Raises:
      ValueError: see `run_location`.
    """
    missing = f"there is no sweep to resume: {_place(name, 1)} holds none"
    return _location_of(name, out, resume, _SWEEP, missing)


def seeds_location(name: str, out: str | None, resume: bool) -> str:
    """Return the folder of the runs of this name from several seeds, as `run_location` does.

    Raises:
      ValueError: see `run_location`.
    """
    missing = f"there are no seeds to resume: {_place(name, 1)} holds none"
    return _location_of(name, out, resume, _SEEDS, missing)


def _location_of(
    name: str, out: str | None, resume: bool, marks: Sequence[str], missing: str
) -> str:
    """Return `out`, the next free folder, or the last one that holds one of `marks`."""
    if out is not None:
        check_no_secret("", out)
        return out
    if not resume:
        return _first_free(name)
    if (last := _last(name, marks)) is None:
        raise ValueError(
            f"{missing}; leave out --resume to start there, or give --out with the folder"
        )
    return last


def _own_folder(source: object) -> Path | None:
    """Return the folder of the run whose config.toml is `source`; None if no run has used it."""
    if not isinstance(source, str) or Path(source).name != _RUN[0]:
        return None
    folder = Path(source).parent
    return folder if any((folder / name).exists() for name in _RUN[1:]) else None


def _first_free(name: str) -> str:
    for number in range(1, _MOST):
        if not _place(name, number).exists():
            return str(_place(name, number))
    raise ValueError(f"all of {_place(name, 1)} to {_place(name, _MOST - 1)} exist; give --out")


def _last(name: str, marks: Sequence[str]) -> str | None:
    """Return the folder with the highest number that holds one of `marks`."""
    for number in range(_MOST - 1, 0, -1):
        if any((_place(name, number) / mark).exists() for mark in marks):
            return str(_place(name, number))
    return None


def _place(name: str, number: int) -> Path:
    folder = file_name(name)
    return Path("runs", folder if number == 1 else f"{folder}-{number}")
