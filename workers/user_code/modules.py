"""The import of a user's modules, and the files that they are from."""

import functools
import hashlib
import importlib
import inspect
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from workers.user_code.blame import first_line, line_of
from workers.wire.import_path import refuse_namesakes


def import_module(name: str, folder: str) -> ModuleType:
    """Import a module that [task] names, from `folder` before all others.

    Raises:
      ValueError: it cannot be imported, or another one of that name was.
    """
    refuse_namesakes([folder])
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it may import TensorFlow
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            remedy = "set task.folder to where it is"
            if name.endswith(".py"):
                remedy = f"leave out .py: {name.removesuffix('.py')!r}"
            raise ValueError(
                f"the module {name!r} of [task] is not in {folder}, nor installed; {remedy}"
            ) from None
        raise ValueError(
            f"the module {name!r} of [task] needs {error.name!r}, which is not there"
        ) from error
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"the module {name!r} of [task] cannot be imported: {type(error).__name__}"
            f"{line_of(error, folder)}: {first_line(error)}"
        ) from error
    _refuse_another(module, name, Path(folder))
    return module


def _refuse_another(module: ModuleType, name: str, folder: Path) -> None:
    """Python imports a name once: one of another folder may have come first."""
    there = folder.joinpath(*name.split(".")).with_suffix(".py")
    file = getattr(module, "__file__", None)
    if there.is_file() and file and not Path(file).samefile(there):
        raise ValueError(
            f"the module {name!r} of [task] was imported from {Path(file).parent} before, and is "
            f"another one than that in {folder}; give one of them another name"
        )


def find(module: ModuleType, name: str) -> Any:
    """Return what a module calls `name`, which may be dotted; raise AttributeError."""
    return functools.reduce(getattr, name.split("."), module)


def own_names(module: ModuleType, *, classes: bool = True) -> list[str]:
    """List the public functions, and classes, that a module defines itself."""
    return [
        key
        for key, value in vars(module).items()
        if (inspect.isfunction(value) or (classes and inspect.isclass(value)))
        and not key.startswith("_")
        and value.__module__ == module.__name__
    ]


def digest_of_files(modules: Sequence[ModuleType], folder: str) -> "hashlib._Hash":
    """Begin a sha256 with the content of `files_of`."""
    total = hashlib.sha256()
    for file in files_of(modules, folder):
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total


def files_of(modules: Sequence[ModuleType], folder: str) -> list[Path]:
    """List the modules' source files, then those of the modules in `folder` that they use."""
    root = Path(folder).resolve()
    found: dict[Path, None] = {}
    left = list(modules)
    while left:
        module = left.pop(0)
        file = _file_of(module)
        if file is None or file in found:
            continue
        found[file] = None
        left += [
            other
            for other in _used_by(module)
            if (there := _file_of(other)) is not None and there.is_relative_to(root)
        ]
    return list(found)


def _used_by(module: ModuleType) -> Iterator[ModuleType]:
    """Modules that its global names are, or come from."""
    for _, value in sorted(vars(module).items()):
        found = value if inspect.ismodule(value) else inspect.getmodule(value)
        if found is not None and found is not module:
            yield found


def _file_of(module: ModuleType) -> Path | None:
    try:
        file = inspect.getsourcefile(module)
    except TypeError:  # built in
        return None
    return Path(file).resolve() if file and Path(file).is_file() else None
