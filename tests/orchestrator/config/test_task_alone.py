"""A run with only [task] opens its data, for every family and form of file."""

import csv
from pathlib import Path

import pytest
import small_python
from small_images import members, write_folder
from small_npz import lines, save
from small_passages import rows_of as passages
from small_tables import write_table
from small_texts import rows_of as texts
from small_texts import write

from orchestrator.config.schema import load
from orchestrator.run.opening import open_family
from workers.wire.protocol import Draw


def _text(folder, **changes):
    return {"kind": "text", "path": str(write(folder / "a.csv", texts(32, 10))), **changes}


def _matching(folder):
    path = write(folder / "a.csv", texts(20, 10))
    return {"kind": "matching", "path": str(path)}


def _images(folder):
    return {"kind": "images", "path": str(write_folder(folder / "a", members(32, 6)))}


def _table(folder, target="ppm"):
    columns = {
        "sensor": [name for name in "abcdef" for _ in range(24)],
        "reading": [float(i) for i in range(144)],
        "ppm": [float(i * i % 31) for i in range(144)],
        "level": ["low", "high"] * 72,
    }
    other = {"ppm": "level", "level": "ppm"}[target]
    path = write_table(folder / "a.parquet", {k: v for k, v in columns.items() if k != other})
    return {"kind": "table", "path": str(path), "task_column": "sensor", "target_column": target}


def _generation(folder):
    path = folder / "a.csv"
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([("task", "text"), *passages(10, 20)])
    return {"kind": "generation", "path": str(path)}


def _python(name):
    folder = str(Path(small_python.__file__).parent)
    return {"kind": "python", "source": f"small_python:{name}", "folder": folder}


def _npz(folder):
    return {"kind": "npz", "path": str(save(folder / "tasks", lines(examples=12)))}


TASKS = {
    "a function's values": (lambda _: _python("sines"), 1),
    "a function's classes": (lambda _: _python("Blobs"), 3),
    "files": (_npz, 1),
    "text": (_text, 5),
    "texts by domain": (
        lambda folder: _text(folder, split_by="domains", domain_column="domain"),
        5,
    ),
    "matching": (_matching, 5),
    "images": (_images, 5),
    "numbers": (_table, 1),
    "classes": (lambda folder: _table(folder, "level"), 2),
    "generation": (_generation, None),
    "sinusoid": (lambda _: {"kind": "sinusoid"}, 1),
    "navigation": (lambda _: {"kind": "navigation"}, 4),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_alone_opens_its_data(name, tmp_path):
    make, num_outputs = TASKS[name]
    table = make(tmp_path)
    config, _ = load({"task": table})
    family = open_family(config)
    assert num_outputs in (None, family.num_outputs)
    if name != "navigation":
        assert family.sample(Draw(0, "train", 0), 0, 2, config.task.shots, config.task.queries)
