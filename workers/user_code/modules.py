"""The import of a user's modules."""

import functools
import hashlib
import importlib
import inspect
import os
import sys
import weakref
from pathlib import Path
from types import ModuleType
from typing import Any

from workers.user_code.blame import first_line, line_of
from workers.user_code.files import modules_by_file
from workers.wire.import_path import refuse_namesakes

# Module -> what it was loaded by, which a reload replaces, and the sha256 of its file then.
_LOADED: weakref.WeakKeyDictionary[ModuleType, tuple[Any, bytes]] = weakref.WeakKeyDictionary()


def import_module(name: str, folder: str, table: str = "task", missing: str = "") -> ModuleType:
    """Import a module of the user's, from `folder` before all others.

    Args:
      table: of the configuration that names it. missing: the message if there is none; "": one
        that names `folder`.
    Raises:
      ValueError: it cannot be imported, another one of that name was, or its file, or that of a
        module in `folder` that it uses, has changed since it was imported.
    """
    of = f"the module {name!r} of [{table}]"
    refuse_namesakes([folder])
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # it may import TensorFlow
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            remedy = f"set {table}.folder to where it is"
            if name.endswith(".py"):
                remedy = f"leave out .py: {name.removesuffix('.py')!r}"
            missing = missing or f"{of} is not in {folder}, nor installed; {remedy}"
            raise ValueError(missing) from None
        raise ValueError(f"{of} needs {error.name!r}, which is not there") from error
    except (Exception, SystemExit) as error:
        raise ValueError(
            f"{of} cannot be imported: {type(error).__name__}"
            f"{line_of(error, folder)}: {first_line(error)}"
        ) from error
    _refuse_another(module, of, Path(folder).joinpath(*name.split(".")))
    _refuse_edited(module, folder)
    return module


def _refuse_another(module: ModuleType, of: str, place: Path) -> None:
    """Python imports a name once: one of another folder may have come first."""
    package, folder = place / "__init__.py", place.parent
    there = package if package.is_file() else place.with_suffix(".py")
    file = getattr(module, "__file__", None)
    if there.is_file() and file and not Path(file).samefile(there):
        raise ValueError(
            f"{of} was imported from {Path(file).parent} before, and is "
            f"another one than that in {folder}; give one of them another name"
        )


def _refuse_edited(module: ModuleType, folder: str) -> None:
    """Refuse files that changed since their import: their old code would be run."""
    for file, own in modules_by_file([module], folder).items():
        if own is None:
            continue
        spec, content = getattr(own, "__spec__", None), hashlib.sha256(file.read_bytes()).digest()
        loaded_by, before = _LOADED.setdefault(own, (spec, content))
        if loaded_by is not spec:  # reloaded
            _LOADED[own] = spec, content
        elif before != content:
            raise ValueError(
                f"{file} has changed since this process imported it, whose old code would be run; "
                "restart Python, or in a notebook its kernel"
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
