"""A package on the import path that has the name of one of ours, here or on an actor."""

from collections.abc import Iterable
from pathlib import Path

NAMES = ("orchestrator", "workers")
_HOME = Path(__file__).resolve().parents[2]


def refuse_namesakes(folders: Iterable[str]) -> None:
    """Look through folders that come first on the import path.

    A copy of metatrain with the same code, such as the checkout that it was installed from, may
    be imported in the place of ours.

    Raises:
      ValueError: one holds a package or module that hides ours and is not the same code.
    """
    for folder in folders:
        for name in NAMES:
            package, module = Path(folder, name, "__init__.py"), Path(folder, f"{name}.py")
            if package.is_file():
                _refuse_other_package(package, name)
            elif module.is_file():
                raise _hides(module, name)


def _refuse_other_package(package: Path, name: str) -> None:
    """Python takes a folder with an `__init__.py` before a module of the same name."""
    ours, theirs = _HOME / name, package.parent
    if package.resolve() == ours / "__init__.py":
        return
    differing = _differing(ours, theirs)
    if not differing:
        return
    if not (theirs.parent / "metatrain.py").is_file():
        raise _hides(package, name)
    raise ValueError(
        f"metatrain is installed in {_HOME}, but actors would import the copy in {theirs.parent}, "
        f"whose {name}/{differing} is not the same; install that copy "
        f"(pip install {theirs.parent}), or run in another folder"
    )


def _hides(place: Path, name: str) -> ValueError:
    return ValueError(
        f"{place} hides metatrain's own package {name!r}; rename it, or run where it is not on the "
        "import path"
    )


def _differing(ours: Path, theirs: Path) -> str:
    """The first module that is not the same in both packages, "" if all are."""
    modules = {file.relative_to(root) for root in (ours, theirs) for file in root.rglob("*.py")}
    for module in sorted(modules):
        try:
            same = (ours / module).read_bytes() == (theirs / module).read_bytes()
        except OSError:  # one of them lacks it
            same = False
        if not same:
            return str(module)
    return ""
