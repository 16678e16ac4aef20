"""A check for packages on the import path, here or on an actor, that hide metatrain's own."""

from collections.abc import Iterable
from pathlib import Path

PACKAGES = ("orchestrator", "workers")
_HOME = Path(__file__).resolve().parents[2]


def refuse_namesakes(folders: Iterable[str]) -> None:
    """Refuse folders, first on the import path, with packages that hide metatrain's own.

    A copy of metatrain with the same code may be imported instead, such as the checkout that it
    was installed from.

    Raises:
      ValueError: a folder holds a package or module that hides ours and has other code.
    """
    for folder in folders:
        for name in PACKAGES:
            package, module = Path(folder, name, "__init__.py"), Path(folder, f"{name}.py")
            if package.is_file():
                _refuse_other_package(package, name)
            elif module.is_file():
                raise _hides(module, name)


def _refuse_other_package(package: Path, name: str) -> None:
    """Refuse a package with other code. Python imports it before a module of the same name."""
    ours, other = _HOME / name, package.parent
    if package.resolve() == ours / "__init__.py":
        return
    differing = _differing(ours, other)
    if not differing:
        return
    if not (other.parent / "metatrain.py").is_file():
        raise _hides(package, name)
    raise ValueError(
        f"metatrain is installed in {_HOME}, but actors would import the copy in {other.parent}, "
        f"whose {name}/{differing} is not the same; install that copy "
        f"(pip install {other.parent}), or run in another folder"
    )


def _hides(place: Path, name: str) -> ValueError:
    return ValueError(
        f"{place} hides metatrain's own package {name!r}; rename it, or run where it is not on the "
        "import path"
    )


def _differing(ours: Path, other: Path) -> str:
    """Find the first module that differs between both packages; "" if there is none."""
    modules = {file.relative_to(root) for root in (ours, other) for file in root.rglob("*.py")}
    for module in sorted(modules):
        try:
            same = (ours / module).read_bytes() == (other / module).read_bytes()
        except OSError:  # one of them lacks it
            same = False
        if not same:
            return str(module)
    return ""
