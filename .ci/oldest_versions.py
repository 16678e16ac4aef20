"""Prints what .ci/oldest.sh installs, from pyproject.toml.

Without a word: the lower bound of each dependency as a constraint, name==version. With `tests`: the
requirements of the extra `dev` that tests need; linters need newer versions of the same packages.
"""

import sys
import tomllib
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
LINTERS = {"ruff", "mypy", "types-PyYAML"}


def oldest(text: str) -> str:
    """Return the constraint of a requirement."""
    requirement = Requirement(text)
    lower = [bound.version for bound in requirement.specifier if bound.operator == ">="]
    if len(lower) != 1:
        raise SystemExit(f"pyproject.toml: {text} needs one lower bound")
    return f"{requirement.name}=={lower[0]}"


if __name__ == "__main__":
    project = tomllib.loads(PROJECT.read_text())["project"]
    if sys.argv[1:] == ["tests"]:
        wanted = project["optional-dependencies"]["dev"]
        print(*(text for text in wanted if Requirement(text).name not in LINTERS), sep="\n")
    else:
        print(*map(oldest, project["dependencies"]), sep="\n")
