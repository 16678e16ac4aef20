"""A package of the user's that is called like one of ours hides it, here or on an actor."""

from collections.abc import Iterable
from pathlib import Path

NAMES = ("orchestrator", "workers")
_HOME = Path(__file__).resolve().parents[1]


def refuse_namesakes(folders: Iterable[str]) -> None:
    """Look through folders that come first on the import path.

    Raises:
      ValueError: one holds a package or module that hides ours.
    """
    for folder in folders:
        for name in NAMES:
            for found in (Path(folder, name, "__init__.py"), Path(folder, f"{name}.py")):
                if found.is_file() and found.resolve() != _HOME / name / "__init__.py":
                    raise ValueError(
                        f"{found} hides metatrain's own package {name!r}; rename it, or run where "
                        "it is not on the import path"
                    )
