"""Folders of .npz files, each a task."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np


def lines(number: int = 9, examples: int = 8) -> dict[str, dict[str, Any]]:
    """Regression of lines: name -> arrays."""
    rng = np.random.default_rng(0)
    found = {}
    for i in range(number):
        x = rng.normal(size=(examples, 2))
        found[f"machine-{i}"] = {"x": x, "y": x @ [i, 1.0] + i}
    return found


def blobs(number: int = 9, examples: int = 6, classes: int = 2) -> dict[str, dict[str, Any]]:
    """Classification, with so many examples of each class."""
    rng = np.random.default_rng(0)
    y = np.tile(np.arange(classes), examples)
    centres = [rng.normal(size=(classes, 3)) for _ in range(number)]
    return {
        f"patient-{i}": {"x": centre[y] + 0.1 * rng.normal(size=(len(y), 3)), "y": y}
        for i, centre in enumerate(centres)
    }


def with_queries(tasks: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The same, the second half of each task's examples being its queries."""
    found = {}
    for name, arrays in tasks.items():
        half = len(arrays["x"]) // 2
        found[name] = {key: value[:half] for key, value in arrays.items()}
        found[name] |= {f"query_{key}": value[half:] for key, value in arrays.items()}
    return found


def save(folder: Path, tasks: dict[str, dict[str, Any]]) -> Path:
    """Write them into a new folder."""
    folder.mkdir(parents=True)
    for name, arrays in tasks.items():
        np.savez(folder / f"{name}.npz", **arrays)
    return folder


def save_zip(file: Path, folder: Path) -> Path:
    """Write the files of a folder into a zip."""
    with zipfile.ZipFile(file, "w") as archive:
        for each in sorted(folder.iterdir()):
            archive.write(each, f"tasks/{each.name}")
    return file
