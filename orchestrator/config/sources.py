"""The sources of configurations: presets, TOML files, and the bases of these."""

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
#: Presets with the settings of a paper, named by its first author and year.
PAPERS = PRESETS / "papers"

Table = dict[str, Any]

#: Deepest nesting of tables and lists; a configuration needs five levels.
_DEEPEST = 20
#: Longest chain of files that are based on each other.
_LONGEST = 8


@dataclass(frozen=True, slots=True)
class Layer:
    """The keys of a preset or a file, without those of its base.

    file: the file; None for a preset.
    """

    table: Table
    file: Path | None


def presets() -> list[str]:
    """List the names of the presets, sorted: those of tasks, then those of papers."""
    return [
        name
        for folder in (PRESETS, PAPERS)
        for name in sorted(path.stem for path in folder.glob("*.toml"))
    ]


def preset_file(name: str) -> Path:
    """Return the file of a preset of that name, which may not exist."""
    paper = PAPERS / f"{name}.toml"
    return paper if paper.is_file() else PRESETS / f"{name}.toml"


def read_table(source: str) -> Table:
    """Read the table of a preset or of a TOML file; a name that ends in .toml is a file.

    Raises:
      ValueError: there is no such source, or it is not TOML.
    """
    path = Path(source).expanduser() if source.endswith(".toml") else preset_file(source)
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
        raise ValueError(f"{source} is not TOML: {error}; texts need quotes") from None
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None


def parse_toml(text: str) -> Table:
    """Parse TOML of a sensible depth. Raises ValueError (tomllib's own for a syntax error)."""
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise _too_deep() from None
    level: list[Any] = [table]
    for _ in range(_DEEPEST):
        level = [inner for value in level for inner in _inner(value)]
    if level:
        raise _too_deep()
    return table


def check_depth(key: str) -> None:
    """Raise ValueError for a dotted key of more parts than a configuration has."""
    if key.count(".") >= _DEEPEST:
        raise _too_deep()


def layers(source: str) -> list[Layer]:
    """Read a preset or a run's file and its chain of bases; the lowest base comes first.

    Raises:
      ValueError: one of them is missing or a sweep, or the chain is too long or circular.
    """
    chain: list[Layer] = []
    prefix = ""
    while True:
        try:
            table = read_table(source)
        except ValueError as error:
            raise ValueError(f"{prefix}{error}") from None
        if "base" in table and "space" in table:
            raise ValueError(f"{prefix}{source} is a sweep, not a run: metatrain tune {source}")
        file = Path(os.path.abspath(Path(source).expanduser())) if source[-5:] == ".toml" else None
        chain.insert(0, Layer(table, file))
        if "base" not in table:
            return chain
        base = table.pop("base")
        try:
            base = based_on(base, file)
        except ValueError as error:
            raise ValueError(f"{prefix}{source}: {error}") from None
        prefix, source = f"{source}: base = {base!r}: ", base
        if len(chain) == _LONGEST:
            raise ValueError(f"{prefix}more than {_LONGEST} files are based on each other")


def based_on(base: Any, file: Path | None) -> str:
    """Return the source that `base` names in a file: a preset, or a file beside it.

    Raises:
      ValueError: `base` is not a name, or there is no such file.
    """
    if not isinstance(base, str) or not base:
        raise ValueError(f"base = {base!r}: give a preset, or a file that ends in .toml")
    if not base.endswith(".toml") or file is None:
        return base
    beside = Path(os.path.normpath(file.parent / Path(base).expanduser()))
    if not beside.is_file():
        raise ValueError(f"base = {base!r}: no such file: {base} (looked in {beside.parent})")
    return str(beside)


#: Settings that name a .keras file, or a function.
_SAVED_MODELS = ("model.source", "model.backbone")


def anchored(table: Table, folder: Path, places: Mapping[str, frozenset[str]]) -> Table:
    """Return the table of a file in `folder`, with its relative paths taken from there.

    A path that exists in the data folder, and not beside the file, stays as it is. A .keras file
    is relative to model.folder if the table has one.

    Args:
      table: keys may be dotted.
      places: dotted names of paths -> "here", or "data" if it may be in the data folder.
    """
    section = table.get("task")
    kind = section.get("kind") if isinstance(section, dict) else table.get("task.kind")
    of_kind = {f"task.{name}": place for name, place in _places_of(record_of(TASKS, kind)).items()}
    model = table.get("model")
    has_folder = "model.folder" in table or (isinstance(model, dict) and "folder" in model)

    def at(name: str, value: Any) -> Any:
        if name in places:
            may_be_data = "data" in of_kind.get(name, places[name])
            return _place(value, folder, may_be_data, kind is None)
        if name in _SAVED_MODELS and not has_folder:
            return _saved_model(value, folder)
        if isinstance(value, dict):
            return {key: at(f"{name}.{key}", item) for key, item in value.items()}
        return value

    return {key: at(key, value) for key, value in table.items()}


def _saved_model(source: Any, folder: Path) -> Any:
    """Return the path of a saved model that exists; leave anything else, as 'module:function'."""
    if isinstance(source, (list, tuple)):
        return [_saved_model(item, folder) for item in source]
    if isinstance(source, str) and source.endswith(".keras") and (folder / source).is_file():
        return os.path.normpath(folder / source)
    return source


def _places_of(record: type[TaskRecord] | None) -> Mapping[str, frozenset[str]]:
    """Return where the paths of this kind of task are looked for; see `places_of`."""
    return places_of(record) if record is not None else {}


def _place(path: Any, folder: Path, may_be_data: bool, of_any_kind: bool) -> Any:
    if isinstance(path, (list, tuple)):
        return [_place(item, folder, may_be_data, of_any_kind) for item in path]
    if not isinstance(path, str) or not path or Path(path).expanduser().is_absolute():
        return path
    beside = os.path.normpath(folder / path)
    of_data = data_folder().absolute() / path
    if not may_be_data or os.path.exists(beside):
        return beside
    if os.path.exists(path) or of_any_kind:  # otherwise the working directory would be searched
        return str(of_data) if of_data.exists() else beside
    looked_beside(path, folder)
    return path  # looked up in the data folder later


def _inner(value: Any) -> Iterator[Any]:
    if isinstance(value, Mapping):
        yield from (item for item in value.values() if isinstance(item, (Mapping, list)))
    else:
        yield from (item for item in value if isinstance(item, (Mapping, list)))


def _too_deep() -> ValueError:
    return ValueError(f"tables or lists are nested more than {_DEEPEST} deep; flatten them")
