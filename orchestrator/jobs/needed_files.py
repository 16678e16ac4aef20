"""Checks that the files which a job's configuration names are shipped with it."""

import os
import shlex
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orchestrator.config import schema as configuration
from orchestrator.config.keys import places_of
from orchestrator.config.schema import MetaConfig
from orchestrator.jobs.shipping import Shipment
from workers.settings.section import Record

Values = Mapping[str, Any]

#: The default data folder, without METATRAIN_DATA.
_DATA = "data"
_ON_EACH = "each machine of the cluster needs METATRAIN_DATA in the environment of its Ray"


def place_of(what: str, path: str | Path, shipment: Shipment) -> str:
    """Return the place of a file below the shipped folder.

    Args:
      what: the setting that names it, for messages.
    Raises:
      ValueError: it does not exist, is outside the folder, or is not shipped.
    """
    absolute = Path(os.path.abspath(shipment.folder / Path(path).expanduser()))
    if absolute == shipment.folder:
        return "."
    if not shipment.holds(absolute):
        if not absolute.exists():
            raise ValueError(f"{what} does not exist; a job has only files of {shipment.folder}")
        if not absolute.is_relative_to(shipment.folder):
            outside = f"{what} is not in {shipment.folder}, the folder that is shipped"
            raise ValueError(f"{outside}; move it, or give another --working-dir")
        why = shipment.why_not(absolute) or "runs, caches and environments are not"
        place = absolute.relative_to(shipment.folder).as_posix()
        raise ValueError(f"{what} is not shipped: {why}; give --include {shlex.quote(place)}")
    return absolute.relative_to(shipment.folder).as_posix()


def check_code(config: MetaConfig, typed: Values, shipment: Shipment) -> list[str]:
    """Refuse a user's modules and files that the job would lack.

    Args:
      typed: settings by dotted name, as the user wrote them.
    Returns:
      overrides that make absolute folders relative.
    Raises:
      ValueError: a module or a file is not shipped.
    """
    sections: dict[str, Record] = {"model": config.model, "task": config.task}
    return [
        override
        for section, record in sections.items()
        if record.modules or record.files
        for override in _check_code(section, record, typed, shipment)
    ]


def _check_code(section: str, record: Record, typed: Values, shipment: Shipment) -> list[str]:
    key, of = f"{section}.folder", f"of [{section}]"
    folder = Path(getattr(record, "folder", "."))
    more = []
    if str(typed.get(key, ".")).startswith(("/", "~")):
        place = place_of(f"{key} = {str(folder)!r}", folder, shipment)
        more = [f"{key}={place}"]
    for what, name in record.files.items():
        place_of(what, folder / name, shipment)
    for module in record.modules:
        file = folder.joinpath(*module.split("."))
        if file.with_suffix(".py").is_file():
            place_of(f"the module {module!r} {of}", file.with_suffix(".py"), shipment)
        elif file.is_dir():
            place_of(f"the package {module!r} {of}", file, shipment)
        elif find_spec(module.partition(".")[0]) is None:
            raise ValueError(
                f"there is no module {module!r} {of} in {folder}; set {key} to its folder, below "
                "the shipped one"
            )
    return more


def check_data(config: MetaConfig, typed: Values, shipment: Shipment) -> list[str]:
    """Refuse data that the job would lack; return notes on data that the machines must have.

    Data that may be in a data folder are not refused: the cluster's machines may have another.

    Raises:
      ValueError: data are not shipped.
    """
    notes = []
    task, places = config.task, places_of(type(config.task))
    for field in task.data:
        value = typed.get(f"task.{field}")
        paths = [value] if isinstance(value, str) else value or []
        for path in (path for path in paths if isinstance(path, str)):  # others are no files
            setting = f"task.{field} = {path}"
            if str(path).startswith(("/", "~")):
                notes.append(f"{setting}: it must exist on each machine of the cluster")
            elif "data" not in places[field] or (shipment.folder / path).exists():
                place_of(setting, path, shipment)
            elif not shipment.holds(shipment.folder / _DATA / path):
                notes.append(f"{setting} is not shipped: {_ON_EACH}, with that file below it")
    unset = task.unset_data if task.data and getattr(task, task.data[0]) is None else ""
    if unset and not shipment.holds(shipment.folder / _DATA / unset):
        notes.append(f"task.{task.data[0]} is unset and {_DATA}/{unset} is not shipped: {_ON_EACH}")
    return notes


def as_typed(written: Values, placed: Values, folder: Path) -> dict[str, Any]:
    """Return dotted name -> value as typed, with a file's paths relative to `folder`.

    Validation would make paths absolute on this machine.

    Args:
      written: the table with relative paths as a file has them.
      placed: the same table with absolute paths.
    """

    def of(text: Any, place: Any) -> Any:
        if isinstance(text, (list, tuple)):
            return [of(*pair) for pair in zip(text, place, strict=True)]
        return os.path.relpath(place, folder) if text != place else text

    absolute = configuration.flatten(placed)
    return {key: of(value, absolute[key]) for key, value in configuration.flatten(written).items()}
