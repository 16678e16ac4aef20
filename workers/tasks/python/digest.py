"""The identity of a user's tasks: the code that draws them, and the first of them."""

import hashlib
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from workers.wire.protocol import Episode


def digest(modules: Sequence[ModuleType], folder: str, tasks: Sequence[Episode]) -> str:
    """Compute the sha256 of the modules' files, those they use from `folder`, and of tasks.

    Tasks are part of it because they show what code does not: a data file that is another one
    elsewhere, or a library that draws otherwise.
    """
    total = hashlib.sha256()
    for file in files_of(modules, folder):
        total.update(hashlib.sha256(file.read_bytes()).digest())
    for task in tasks:
        for array in task:
            total.update(f"{array.dtype} {array.shape} ".encode())
            total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()


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
