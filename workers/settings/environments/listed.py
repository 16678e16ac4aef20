"""Lists of environments in a configuration, or in a file of their own."""

import json
import math
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from workers.wire.protocol import Split

#: What an entry may have beside arguments and attributes.
ID, SPLIT = "id", "split"

_EXPECTED = "a list of tables such as {id = 'Pendulum-v1', g = 9.8}"


def read_environments(value: Any) -> Any:
    """Return the tables of a list, or those that a file holds; anything else as it is.

    Args:
      value: tables, or a path: a .json file with a list or {"environments": [...]}, or a .toml file
        with [[environments]].
    Raises:
      ValueError: the file cannot be read, or a table has a value that no configuration can hold.
    """
    where = ""
    if isinstance(value, str):
        where, value = f"{value}: ", _read(Path(value).expanduser())
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"{where}holds {type(value).__name__}, not {_EXPECTED}")
    for number, table in enumerate(value):
        _check(f"{where}[{number}]", table)
    return value


def values_of(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments and attributes of an entry."""
    return {name: value for name, value in table.items() if name not in (ID, SPLIT)}


def check_splits(tables: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether the entries say of which split they are.

    Raises:
      ValueError: some do and others do not, or a split has none.
    """
    given = [i for i, table in enumerate(tables) if SPLIT in table]
    if not given:
        return False
    if len(given) < len(tables):
        without = next(i for i in range(len(tables)) if i not in given)
        raise ValueError(
            f"task.environments[{given[0]}] has a split, but task.environments[{without}] has "
            "none; give each its split, or none of them"
        )
    for split in get_args(Split):
        if all(table[SPLIT] != split for table in tables):
            raise ValueError(
                f"task.environments has no entry with split = {split!r}; each of train, "
                "validation and test needs one"
            )
    return True


def _read(file: Path) -> Any:
    if file.suffix not in (".json", ".toml"):
        raise ValueError(f"{file}: give {_EXPECTED}, or a .json or .toml file of them")
    try:
        text = file.read_text(encoding="utf-8-sig")
        content = json.loads(text) if file.suffix == ".json" else tomllib.loads(text)
    except (OSError, ValueError) as error:
        raise ValueError(f"{file}: cannot be read ({' '.join(str(error).split())})") from None
    if isinstance(content, dict) and set(content) == {"environments"}:
        return content["environments"]
    return content


def _check(where: str, table: Any) -> None:
    if not isinstance(table, dict):
        raise ValueError(f"{where} is {type(table).__name__}, not a table; give {_EXPECTED}")
    name = table.get("id", "")
    if not isinstance(name, str) or ("id" in table and not name):
        raise ValueError(f"{where}.id = {name!r} is not the name of an environment")
    if table.get(SPLIT, "test") not in get_args(Split):
        raise ValueError(
            f"{where}.split = {table[SPLIT]!r}; give {', '.join(map(repr, get_args(Split)))}"
        )
    for key, value in table.items():
        if not _is_kept(value):
            raise ValueError(
                f"{where}.{key} = {value!r}; give a finite number, a text, true, false, or lists "
                "or tables of these"
            )


def _is_kept(value: Any) -> bool:
    """Return whether a TOML file can hold a value."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_kept(item) for key, item in value.items())
    if isinstance(value, (list, tuple)):
        return all(map(_is_kept, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, (str, bool, int))
