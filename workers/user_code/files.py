"""The files that a user's modules are from, with those of their own that they import."""

import ast
import hashlib
import inspect
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import ModuleType

from workers.user_code.code_digest import CodeDigest

# Folders of installed packages, which are not the user's own even where they lie in the folder.
_INSTALLED = {"site-packages", "dist-packages"}


def digest_of_files(modules: Sequence[ModuleType], folder: str) -> CodeDigest:
    """Begin a digest with the content of the modules' files, see `files_of`."""
    used, imported = files_of(modules, folder)
    total = CodeDigest(imported)
    for file in used:
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total


def files_of(modules: Sequence[ModuleType], folder: str) -> tuple[list[Path], list[Path]]:
    """List the modules' source files, and those of the modules in `folder` that they use.

    Returns:
      first the modules' own, and those that global names are, or come from; then further ones of
      all import statements, also within functions.
    """
    used = _files_by_names(modules, Path(folder).resolve())
    return list(used), [file for file in modules_by_file(modules, folder) if file not in used]


def modules_by_file(modules: Sequence[ModuleType], folder: str) -> dict[Path, ModuleType | None]:
    """Map `files_of` to their modules; None: it is not imported yet, or not found."""
    root = Path(folder).resolve()
    found: dict[Path, ModuleType | None] = {**_files_by_names(modules, root)}
    unread = list(found)
    while unread:
        for file, imported in _imported_by(unread.pop(0), root):
            if file not in found and file.is_relative_to(root):
                found[file] = imported
                unread.append(file)
    return found


def _files_by_names(modules: Sequence[ModuleType], root: Path) -> dict[Path, ModuleType]:
    found: dict[Path, ModuleType] = {}
    left = list(modules)
    while left:
        module = left.pop(0)
        file = _file_of(module)
        if file is None or file in found:
            continue
        found[file] = module
        left += [
            other
            for other in _used_by(module)
            if (there := _file_of(other)) is not None and there.is_relative_to(root)
        ]
    return found


def _used_by(module: ModuleType) -> Iterator[ModuleType]:
    """Modules that its global names are, or come from."""
    for _, value in sorted(vars(module).items()):
        found = value if inspect.ismodule(value) else inspect.getmodule(value)
        if found is not None and found is not module:
            yield found


def _imported_by(file: Path, root: Path) -> Iterator[tuple[Path, ModuleType | None]]:
    """Yield the files, not of installed packages, that a file's import statements may read."""
    if _INSTALLED & set(file.parts):
        return
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):  # not Python, or not yet imported
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for each in node.names:
                yield from _of_name(each.name, root)
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            for name in dict.fromkeys(f"{module}.{each.name}".strip(".") for each in node.names):
                if node.level:
                    yield from _below(file.parents[node.level - 1], name, with_package=True)
                else:
                    yield from _of_name(name, root)


def _of_name(name: str, root: Path) -> Iterator[tuple[Path, ModuleType | None]]:
    """Yield the files of a dotted name's modules: those imported under it, or else in `root`."""
    parts = name.split(".")
    if not isinstance(sys.modules.get(parts[0]), ModuleType):
        yield from _below(root, name)
        return
    for number in range(1, len(parts) + 1):
        module = sys.modules.get(".".join(parts[:number]))
        file = _file_of(module) if isinstance(module, ModuleType) else None
        if file is not None and not _INSTALLED & set(file.parts):
            yield file, module


def _below(
    folder: Path, name: str, *, with_package: bool = False
) -> Iterator[tuple[Path, ModuleType | None]]:
    """Yield the files of a dotted name's modules in a folder, as far as there are such.

    Args:
      with_package: whether the folder is that of a package, which is imported first.
    """
    files = [folder / "__init__.py"] if with_package else []
    place = folder
    for part in name.split("."):
        place = place / part
        files += [place.with_suffix(".py"), place / "__init__.py"]
    for file in files:
        if file.is_file():
            yield file.resolve(), _module_from(file)


def _module_from(file: Path) -> ModuleType | None:
    modules = [each for each in list(sys.modules.values()) if isinstance(each, ModuleType)]
    return next((each for each in modules if vars(each).get("__file__") == str(file)), None)


def _file_of(module: ModuleType) -> Path | None:
    try:
        file = inspect.getsourcefile(module)
    except TypeError:  # built in
        return None
    return Path(file).resolve() if file and Path(file).is_file() else None
