"""The files that a job's configuration names: whether they are shipped with it."""

import os
import shlex
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from orchestrator import config as configuration
from orchestrator.config import MetaConfig
from orchestrator.shipping import Shipment
from workers.models.user_model import KerasModel
from workers.settings.tasks import ImagesTask

Values = Mapping[str, Any]


def place_of(what: str, path: str | Path, shipment: Shipment) -> str:
    """The place of a file below the folder that is shipped."""
    absolute = Path(os.path.abspath(shipment.folder / Path(path).expanduser()))
    if not shipment.holds(absolute):
        if not absolute.exists():
            raise ValueError(f"{what} does not exist; a job gets what is in {shipment.folder}")
        if not absolute.is_relative_to(shipment.folder):
            outside = f"{what} is not in {shipment.folder}, which is what is shipped"
            raise ValueError(f"{outside}; move it, or give another --working-dir")
        why = shipment.why_not(absolute) or "runs, caches and environments are not"
        place = absolute.relative_to(shipment.folder).as_posix()
        raise ValueError(f"{what} is not shipped: {why}; give --include {shlex.quote(place)}")
    return absolute.relative_to(shipment.folder).as_posix()


def check_model(config: MetaConfig, typed: Values, shipment: Shipment) -> list[str]:
    """Refuse a user's model that would not be there; overrides that make its folder relative."""
    model = config.model
    if not isinstance(model, KerasModel):
        return []
    folder = Path(model.folder)
    more = []
    if str(typed.get("model.folder", ".")).startswith(("/", "~")):
        place = place_of(f"model.folder = {model.folder!r}", folder, shipment)
        more = [f"model.folder={place}"]
    modules = list(model.imports)
    if model.source.endswith(".keras"):
        place_of(f"model.source = {model.source!r}", folder / model.source, shipment)
    else:
        modules.append(model.source.partition(":")[0])
    for module in modules:
        file = folder.joinpath(*module.split("."))
        if file.with_suffix(".py").is_file():
            place_of(f"the module {module!r} of [model]", file.with_suffix(".py"), shipment)
        elif file.is_dir():
            place_of(f"the package {module!r} of [model]", file, shipment)
        elif find_spec(module.partition(".")[0]) is None:
            raise ValueError(
                f"there is no module {module!r} of [model] in {folder}; set model.folder to where "
                "it is, below what is shipped"
            )
    return more


def check_data(config: MetaConfig, typed: Values, shipment: Shipment) -> list[str]:
    """Refuse data that would not be there, and say what must be."""
    notes = []
    of_images = isinstance(config.task, ImagesTask)
    for key in ("task.path", "task.test_path", "task.split_file"):
        value = typed.get(key)
        for path in [value] if isinstance(value, str) else value or []:
            if str(path).startswith(("/", "~")):
                notes.append(f"{key} = {path}: it must be there on each machine of the cluster")
            elif of_images or (shipment.folder / path).exists():  # others may be in a data folder
                place_of(f"{key} = {path}", path, shipment)
    if not isinstance(config.task, ImagesTask):
        return notes
    if config.task.path is None and not shipment.holds(shipment.folder / "data" / "omniglot"):
        notes.append(
            "task.path is unset and data/omniglot is not shipped: each machine of the cluster "
            "needs METATRAIN_DATA in the environment of its Ray"
        )
    return notes


def as_typed(written: Values, placed: Values, folder: Path) -> dict[str, Any]:
    """Dotted name -> value before validation, which makes paths absolute on this machine.

    Args:
      written, placed: the table with a file's relative paths as they stand there, and absolute:
        here they are relative to `folder`.
    """

    def of(text: Any, place: Any) -> Any:
        if isinstance(text, (list, tuple)):
            return [of(*pair) for pair in zip(text, place, strict=True)]
        return os.path.relpath(place, folder) if text != place else text

    absolute = configuration.flatten(placed)
    return {key: of(value, absolute[key]) for key, value in configuration.flatten(written).items()}
