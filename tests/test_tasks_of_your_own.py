"""The examples of docs/tasks_of_your_own.md draw, train and adapt."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest
from shell_commands import environment, metatrain

from workers.settings.npz_task import NpzTask
from workers.settings.python_task import PythonTask
from workers.tasks.npz.family import NpzFamily
from workers.tasks.python.family import PythonFamily
from workers.wire.protocol import Draw

PAGE = (Path(__file__).parents[1] / "docs" / "tasks_of_your_own.md").read_text()
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
TOML = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
MODULE = "page_tasks"


def code(beginning):
    (found,) = [block for block in CODE if beginning in block]
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """All functions of the page in one module, and the data that they read."""
    folder = tmp_path_factory.mktemp("page")
    names = [
        "def sines(",
        "def sines_up_to(",
        "class Machines",
        "def many_sines(",
        "def with_site(",
    ]
    module = "\n\n".join(["import keras", *map(code, [*names, "def series_and_site("])])
    (folder / f"{MODULE}.py").write_text(module)
    x = np.random.default_rng(0).normal(size=(6, 30, 2))
    np.savez(folder / "machines.npz", x=x, y=x.sum(axis=2))
    (folder / "machines").mkdir()
    for number in range(8):
        own = {"machines": folder / "machines", "measurements": x[0] + number, "wear": x[0, :, 0]}
        line = code("np.savez(").replace('"machines/press-7', f'f"{{machines}}/press-{number}')
        exec(line, {"np": np, **own})
    return folder


def settings(number, **changes):
    """The [task] of the page's so-manieth TOML."""
    return {**tomllib.loads(TOML[number])["task"], **changes}


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("sines", {}),
        ("sines_up_to", settings(1)["arguments"]),
        ("Machines", {"path": "machines.npz"}),
        ("many_sines", {}),
        ("with_site", {}),
    ],
)
def test_each_function_of_the_page_draws_tasks(folder, monkeypatch, name, arguments):
    monkeypatch.chdir(folder)
    task = PythonTask(source=f"{MODULE}:{name}", folder=str(folder), arguments=arguments)
    family = PythonFamily(task)
    episode = family.build(family.sample(Draw(0, "test", 0), 0, 2, 10, 10))
    assert episode.support_inputs.shape[:2] == (2, 10)
    assert all("ignores `split`" in note for note in family.notes())


def test_the_first_example_has_at_most_20_lines():
    first = code("def sines(")
    assert len((first + TOML[0]).splitlines()) <= 20
    assert settings(0) == {"kind": "python", "source": "my_tasks:sines"}
    assert settings(1)["source"] == "my_tasks:sines_up_to"


def test_the_files_of_the_page_are_tasks(folder):
    family = NpzFamily(NpzTask(**settings(2, path=str(folder / "machines"))))
    assert family.describe()["tasks"] == 8
    assert family.names(family.sample(Draw(0, "test", 0), 0, 1, 5, 5))[0].startswith("press-")


def test_what_the_page_says_of_settings_is_so():
    fields = {**NpzTask.model_fields, **PythonTask.model_fields}
    named = set(re.findall(r"`task\.(\w+)", PAGE))
    assert named <= fields.keys()
    assert PythonTask.model_fields["draw_together"].default == 32


@pytest.mark.slow
def test_the_pages_programs_run(folder, monkeypatch):
    """Trained for two steps, from Python; with a model of several inputs from the command line."""

    (folder / "my_tasks.py").write_text(code("def sines("))
    program = code("from my_tasks import sines").replace("2000", "2")
    (folder / "program.py").write_text(program)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    tested = json.loads((folder / "runs" / "sines" / "evaluation.json").read_text())
    assert tested["protocol"]["tasks_from"] == "my_tasks:sines"
    (folder / "inputs.toml").write_text(
        f'[task]\nkind = "python"\nsource = "{MODULE}:with_site"\n'
        f'[model]\nkind = "keras"\nsource = "{MODULE}:series_and_site"\n'
        "[outer]\nsteps = 2\n[evaluation]\ntasks = 4\nvalidation_tasks = 4\n"
    )
    done = metatrain(folder, "train", "inputs.toml", "--workers", "0", "--out", "inputs")
    assert done.returncode == 0, done.stderr
