"""The examples of docs/losses.md train, and what the page says of losses is so."""

import json
import re
import tomllib
from pathlib import Path

import pytest
from inline_command import metatrain
from small_configs import SINUSOID, changed

from orchestrator.config.schema import to_toml
from orchestrator.learner import Learner
from workers.losses.registry import make_loss, names_for
from workers.settings.python_task import PythonTask
from workers.settings.tasks import TASKS

PAGE = (Path(__file__).parents[1] / "docs" / "losses.md").read_text()
CODE = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
TOML = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
ROWS = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*?) \|$", PAGE, re.MULTILINE)
SINES = (Path(__file__).parent / "fakes" / "tasks" / "small_python.py").read_text()


def code(beginning):
    (found,) = [block for block in CODE if beginning in block]
    return found


@pytest.fixture
def train(tmp_path, capsys, monkeypatch):
    """Train a [task] of the page, whose modules have names of this test's own."""

    def run(number, **modules):
        monkeypatch.chdir(tmp_path)
        text = TOML[number]
        for name, content in modules.items():
            own = f"page_{name}_{number}"
            (tmp_path / f"{own}.py").write_text(content)
            text = text.replace(f"{name}:", f"{own}:")
        config = changed(SINUSOID | tomllib.loads(text), "outer.steps=1", "evaluation.every=1")
        (tmp_path / "run.toml").write_text(to_toml(config).replace(f"{Path.cwd()}", "."))
        code, _, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
        assert code == 0, err
        return json.loads((tmp_path / "run" / "evaluation.json").read_text())

    return run


def test_the_users_loss_of_the_page_trains(train):
    tested = train(1, my_tasks=SINES, my_losses=code("def huber("))
    assert (tested["metric"], tested["sign"]) == ("r2", 1)
    assert {"r2", "largest", "loss"} <= tested["after"].keys()


@pytest.mark.slow
def test_the_labels_of_the_page_train(train):
    tested = train(0, my_tasks=code("def faults("))
    assert tested["metric"] == "accuracy"
    assert tested["protocol"]["class_weights"] == "1, 5"


def test_the_table_of_losses_is_so():
    assert {row[0] for row in ROWS} == set(names_for({"numbers", "classes", "labels"}))
    for name, targets, _, metrics in ROWS:
        loss = make_loss(name)
        assert targets.split(",")[0] == loss.targets
        assert metrics.split(", ") == list(loss.scored_by)


def test_the_kinds_that_the_page_names_are_those_that_accept_losses():
    assert {kind for kind, record in TASKS.items() if "loss" in record.model_fields} == {
        *("python", "npz", "table", "signal", "images", "text", "sinusoid")
    }
    weighted = {kind for kind, record in TASKS.items() if "class_weights" in record.model_fields}
    assert weighted == {"python", "npz", "table"}
    labelled = {kind for kind in TASKS if "labels" in getattr(TASKS[kind], "scored", ())}
    assert labelled == {"python", "npz"}


def test_what_the_page_says_of_settings_and_methods_is_so():
    assert set(re.findall(r"`task\.(\w+)", PAGE)) <= PythonTask.model_fields.keys()
    assert hasattr(Learner, "load")
    from orchestrator.adaptation.predictor import Predictor

    for method in set(re.findall(r"predictor\.(\w+)\(", PAGE)):
        assert hasattr(Predictor, method), method
