"""Tasks that a program hands to MetaTrainer: a function's name, or files that are written."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.storage.storage import Storage
from orchestrator.text.plain_text import file_name
from workers.tasks.python.examples import is_image
from workers.wire.errors import DataError

#: The folder of a run's folder that they are written into.
FOLDER = "tasks"
#: The path of their files, before it is known which folder the run has.
UNPLACED = "(handed over)"
_FORM = "a function, a class, or a list of tasks ((x, y), (x, y)) or (x, y)"


def settings_of(tasks: Any) -> dict[str, Any]:
    """Name a function, or a class, as the configuration does: dotted name -> value.

    Raises:
      ValueError: an actor could not import it.
    """
    said = f"tasks = {getattr(tasks, '__qualname__', type(tasks).__name__)}"
    if isinstance(tasks, functools.partial):
        raise ValueError(
            "tasks is a functools.partial; give the function, and its arguments as "
            "overrides={'task.arguments': {...}}"
        )
    if not inspect.isfunction(tasks) and not inspect.isclass(tasks):
        what = "a method" if inspect.ismethod(tasks) else f"an object of {type(tasks).__name__}"
        raise ValueError(
            f"{said} is {what}; give {_FORM}. What a class is made with are "
            "overrides={'task.arguments': {...}}"
        )
    if "<" in tasks.__qualname__:
        what = "a lambda" if tasks.__name__ == "<lambda>" else "defined inside of a function"
        raise ValueError(
            f"{said} is {what}, and actors could not import it; define it at the top of a file, "
            "with def"
        )
    module, folder = _home(said, tasks.__module__)
    return {
        "task.kind": "python",
        "task.source": f"{module}:{tasks.__qualname__}",
        "task.folder": str(folder),
    }


def _home(said: str, name: str) -> tuple[str, Path]:
    """Return the module that actors import, and its folder."""
    module = sys.modules[name]
    file = getattr(module, "__file__", None)
    spec = getattr(module, "__spec__", None)
    if name != "__main__" or (file and spec is not None):  # the latter: python -m package.module
        name = name if spec is None or name != "__main__" else spec.name
        if file is None:
            raise ValueError(f"{said} is of the module {name!r}, which has no file to import")
        up = name.count(".") + (Path(file).stem == "__init__")
        folder = Path(file).resolve().parents[up]
    elif file is None or not Path(file).is_file():
        raise ValueError(
            f"{said} is defined in a notebook or at a prompt, and actors could not import it; "
            "write it into a file (in a notebook: %%writefile my_tasks.py) and import it from there"
        )
    else:
        name, folder = Path(file).stem, Path(file).resolve().parent
        if not name.isidentifier() or Path(file).suffix != ".py":
            raise ValueError(
                f"{said} is defined in {Path(file).name}, which is no name that can be imported; "
                "put it into a file such as my_tasks.py"
            )
    if sys.modules["__main__"] is module and not _is_guarded(Path(file)):
        raise ValueError(
            f"{said} is defined in {Path(file).name}, which actors would import, and so run: put "
            'what trains below `if __name__ == "__main__":`, or the function into another file'
        )
    return name, folder


def _is_guarded(file: Path) -> bool:
    """Whether a script asks for its `__name__` at its top level."""
    tree = ast.parse(file.read_bytes())
    tests = [node.test for node in tree.body if isinstance(node, ast.If)]
    names = (each for test in tests for each in ast.walk(test) if isinstance(each, ast.Name))
    return any(name.id == "__name__" for name in names)


def is_list(tasks: Any) -> bool:
    """Whether tasks are handed over whole: as a list, or by name."""
    return isinstance(tasks, Mapping) or (
        isinstance(tasks, Sequence) and not isinstance(tasks, str | bytes)
    )


def as_arrays(tasks: Sequence[Any] | Mapping[str, Any]) -> dict[str, dict[str, np.ndarray]]:
    """Task's name -> the arrays of its file.

    Raises:
      ValueError: it is no such task; names it.
    """
    if not len(tasks):
        raise ValueError(f"tasks is empty; give {_FORM}")
    digits = len(str(len(tasks) - 1))
    pairs = (
        list(tasks.items())
        if isinstance(tasks, Mapping)
        else [(f"task-{number:0{digits}}", each) for number, each in enumerate(tasks)]
    )
    found = {}
    for (name, each), said in zip(pairs, called(tasks), strict=True):
        if not isinstance(name, str) or name != file_name(name) or name in ("", ".", ".."):
            raise ValueError(f"{said}: the name of a task becomes that of a file; use letters")
        found[name] = _arrays_of(said, each)
    return found


def called(tasks: Sequence[Any] | Mapping[str, Any]) -> list[str]:
    """Say what messages call each task, in the order of `as_arrays`."""
    if isinstance(tasks, Mapping):
        return [f"tasks[{name!r}]" for name in tasks]
    return [f"tasks[{number}]" for number in range(len(tasks))]


def _arrays_of(said: str, task: Any) -> dict[str, np.ndarray]:
    if not isinstance(task, tuple | list) or len(task) != 2:
        raise ValueError(f"{said} is neither (x, y) nor ((x, y), (x, y)), support and query")
    pairs = [task]
    if all(isinstance(each, tuple) for each in task):
        pairs = list(task)
    arrays: dict[str, np.ndarray] = {}
    for start, pair in zip(("", "query_"), pairs, strict=False):
        if len(pair) != 2:
            raise ValueError(f"{said} is neither (x, y) nor ((x, y), (x, y)), support and query")
        for key, value in zip("xy", pair, strict=True):
            try:
                arrays[f"{start}{key}"] = np.asarray(value)
            except ValueError:
                raise ValueError(f"{said}: {start}{key} has rows of different lengths") from None
            if arrays[f"{start}{key}"].dtype.kind not in "fiub":
                raise ValueError(f"{said}: {start}{key} is no array of numbers")
    return arrays


def model_of(arrays: Mapping[str, Mapping[str, np.ndarray]]) -> dict[str, Any]:
    """Name a model for images: their files are not there yet. Nothing where the default suits."""
    first = next(iter(arrays.values()))["x"]
    return {"model.kind": "conv4"} if is_image(first.shape[1:]) else {}


@contextlib.contextmanager
def written(
    location: str, arrays: Mapping[str, Mapping[str, np.ndarray]], names: Mapping[str, str]
) -> Iterator[None]:
    """Write each task into the run's folder; delete them again if no run begins in the context.

    Args:
      names: name of a task's file -> what errors in the context call the task.
    Raises:
      ValueError: other tasks are there.
    """
    storage = Storage(location)
    assert storage.local is not None
    missing = [folder for folder in (storage.local, *storage.local.parents) if not folder.exists()]
    is_new = not storage.exists(FOLDER)
    try:
        _write(storage, arrays)
        with _retelling(folder_of(location), names):
            yield
    finally:
        if is_new and not storage.exists("config.toml"):
            with contextlib.suppress(OSError):
                storage.delete_dir(FOLDER)
            for folder in missing:  # the innermost first
                with contextlib.suppress(OSError):  # it is not empty
                    folder.rmdir()


@contextlib.contextmanager
def _retelling(folder: str, names: Mapping[str, str]) -> Iterator[None]:
    """Word errors about the files of tasks for somebody who has none."""
    each = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    pattern = rf"(?<![\w-])(?:({each})\.npz|the task '({each})')(?![\w-])"
    try:
        yield
    except ValueError as error:
        text = str(error).replace(f"{folder}: ", "").replace(folder, "tasks")
        text = re.sub(pattern, lambda found: names[found[1] or found[2]], text)
        if text == str(error):
            raise
        raise (DataError if isinstance(error, DataError) else ValueError)(text) from error


def _write(storage: Storage, arrays: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    more = set(storage.list(FOLDER)) - {f"{name}.npz" for name in arrays}
    if more:
        raise ValueError(
            f"{storage.place(FOLDER)} has tasks that `tasks` has not, such as {min(more)}; give "
            "the same tasks, or another folder for the run"
        )
    for name, each in arrays.items():
        place, content = f"{FOLDER}/{name}.npz", io.BytesIO()
        np.savez(content, allow_pickle=False, **each)
        if not storage.exists(place):
            storage.write(place, content.getvalue())
        elif storage.read(place) != content.getvalue():
            raise ValueError(
                f"{storage.place(place)} is another task than that of `tasks`; give the same "
                "tasks, or another folder for the run"
            )


def folder_of(location: str) -> str:
    """Where `written` puts them.

    Raises:
      ValueError: it is no local folder, which is needed to read them from.
    """
    if "://" in location and not location.startswith("file://"):
        raise ValueError(
            f"tasks that are handed over as a list are written into the run's folder, which has to "
            f"be a local one, not {location}; save them as .npz files, with task.kind = 'npz'"
        )
    return str(Path(Storage(location).root, FOLDER))
