"""Where configurations come from: presets, TOML files, and what these are based on."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator.config.errors import suggest
from orchestrator.config.keys import places_of
from workers.settings.registry import record_of
from workers.settings.task import TaskRecord
from workers.settings.tasks import TASKS
from workers.tasks.data_folder import data_folder, looked_beside
from workers.tasks.pipes import refuse_pipe

PRESETS = Path(__file__).parent / "presets"

Table = dict[str, Any]

#: How deep tables and lists may be in each other; a configuration needs five.
_DEEPEST = 20
#: How many files may be based on each other.
_LONGEST = 8


@dataclass(frozen=True, slots=True)
class Layer:
    """A preset's or a file's own keys, without those of its base. file: None of a preset."""

    table: Table
    file: Path | None


def presets() -> list[str]:
    """Their names, sorted."""
    return sorted(path.stem for path in PRESETS.glob("*.toml"))


def read_table(source: str) -> Table:
    """The table of a preset or of a TOML file; a name is a file if it ends in .toml.

    Raises:
      ValueError: there is none, or it is not TOML.
    """
    path = Path(source).expanduser() if source.endswith(".toml") else PRESETS / f"{source}.toml"
    refuse_pipe(path)
    if not path.is_file():
        if source.endswith(".toml"):
            raise ValueError(f"no such file: {source}")
        if Path(source, "config.toml").is_file():
            raise ValueError(f"{source} is a folder; give its file: {Path(source, 'config.toml')}")
        if Path(source).is_file():
            raise ValueError(f"{source}: configurations are files that end in .toml")
        raise ValueError(
            f"no preset is called '{source}'{suggest(source, presets())}; there are "
            f"{', '.join(presets())}, or give a file that ends in .toml"
        )
    try:
        return parse_toml(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{source} is not TOML: {error}") from None
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None


def parse_toml(text: str) -> Table:
    """TOML of a sensible depth. Raises ValueError (tomllib's own if it is none)."""
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise _too_deep() from None
    level: list[Any] = [table]
    for _ in range(_DEEPEST):
        level = [each for value in level for each in _inner(value)]
    if level:
        raise _too_deep()
    return table


def check_depth(key: str) -> None:
    """Raises ValueError for a dotted key of more parts than a configuration has."""
    if key.count(".") >= _DEEPEST:
        raise _too_deep()


def layers(source: str) -> list[Layer]:
    """A preset or a run's file, and what it is based on: the base of all comes first.

    Raises:
      ValueError: one of them is not there, is a sweep, or they go round in a circle.
    """
    found: list[Layer] = []
    said = ""
    while True:
        try:
            table = read_table(source)
        except ValueError as error:
            raise ValueError(f"{said}{error}") from None
        if "base" in table and "space" in table:
            raise ValueError(f"{said}{source} is a sweep, not a run: metatrain tune {source}")
        file = Path(os.path.abspath(Path(source).expanduser())) if source[-5:] == ".toml" else None
        found.insert(0, Layer(table, file))
        if "base" not in table:
            return found
        base = table.pop("base")
        try:
            base = based_on(base, file)
        except ValueError as error:
            raise ValueError(f"{said}{source}: {error}") from None
        said, source = f"{source}: base = {base!r}: ", base
        if len(found) == _LONGEST:
            raise ValueError(f"{said}more than {_LONGEST} files are based on each other")


def based_on(base: Any, file: Path | None) -> str:
    """The source that `base` names in a file: a preset, or a file beside it.

    Raises:
      ValueError: it is no name.
    """
    if not isinstance(base, str) or not base:
        raise ValueError(f"base = {base!r}: give a preset, or a file that ends in .toml")
    if not base.endswith(".toml") or file is None:
        return base
    beside = Path(os.path.normpath(file.parent / Path(base).expanduser()))
    if not beside.is_file():
        raise ValueError(f"base = {base!r}: no such file: {base} (looked in {beside.parent})")
    return str(beside)


def anchored(table: Table, folder: Path, places: Mapping[str, frozenset[str]]) -> Table:
    """The table of a file in `folder`: its relative paths count from there.

    What is in the data folder, and not beside the file, stays as it is. A .keras file counts from
    model.folder where the table gives one.

    Args:
      table: keys may be dotted. places: dotted names of paths -> "here", or "data" if it may be in
        the data folder.
    """
    section = table.get("task")
    kind = section.get("kind") if isinstance(section, dict) else table.get("task.kind")
    own = {f"task.{name}": place for name, place in _places_of(record_of(TASKS, kind)).items()}
    model = table.get("model")
    own_folder = "model.folder" in table or (isinstance(model, dict) and "folder" in model)

    def at(name: str, value: Any) -> Any:
        if name in places:
            may_be_data = "data" in own.get(name, places[name])
            return _place(value, folder, may_be_data, kind is None)
        if name == "model.source" and not own_folder:
            return _saved_model(value, folder)
        if isinstance(value, dict):
            return {key: at(f"{name}.{key}", each) for key, each in value.items()}
        return value

    return {key: at(key, value) for key, value in table.items()}


def _saved_model(source: Any, folder: Path) -> Any:
    """The path of a saved model that is there; 'module:function' and what is not there stay."""
    if isinstance(source, (list, tuple)):
        return [_saved_model(each, folder) for each in source]
    if isinstance(source, str) and source.endswith(".keras") and (folder / source).is_file():
        return os.path.normpath(folder / source)
    return source


def _places_of(record: type[TaskRecord] | None) -> Mapping[str, frozenset[str]]:
    """Where paths of this kind alone are looked for; see `places_of`."""
    return places_of(record) if record is not None else {}


def _place(path: Any, folder: Path, may_be_data: bool, of_any_kind: bool) -> Any:
    if isinstance(path, (list, tuple)):
        return [_place(each, folder, may_be_data, of_any_kind) for each in path]
    if not isinstance(path, str) or not path or Path(path).expanduser().is_absolute():
        return path
    beside = os.path.normpath(folder / path)
    of_data = data_folder().absolute() / path
    if not may_be_data or os.path.exists(beside):
        return beside
    if os.path.exists(path) or of_any_kind:  # would be taken from where the command is typed
        return str(of_data) if of_data.exists() else beside
    looked_beside(path, folder)
    return path  # it is of the data folder, wherever that is then


def _inner(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from (each for each in value.values() if isinstance(each, (Mapping, list)))
    else:
        yield from (each for each in value if isinstance(each, (Mapping, list)))


def _too_deep() -> ValueError:
    return ValueError(f"tables or lists are more than {_DEEPEST} deep in each other; flatten them")
