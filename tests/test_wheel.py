"""What the wheel takes along, which is all that other machines get."""

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FILES = [
    file
    for package in ("orchestrator", "workers")
    for file in sorted((ROOT / package).rglob("*"))
    if file.is_file() and file.suffix != ".pyc"
]


def test_files_that_are_no_modules_are_named_as_package_data():
    taken = {
        file
        for package, patterns in SETUPTOOLS["package-data"].items()
        for pattern in patterns
        for file in (ROOT / package).glob(pattern)
    }
    others = {file for file in FILES if file.suffix != ".py"}
    assert any(file.suffix == ".html" for file in others)
    assert others <= taken


def test_every_folder_of_modules_is_a_package():
    folders = {file.parent for file in FILES if file.suffix == ".py"}
    assert [folder for folder in sorted(folders) if not (folder / "__init__.py").exists()] == []
