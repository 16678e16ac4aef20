"""--json: one document on standard output, and nothing else there."""

import json

import pytest
from inline_command import metatrain
from shell_commands import write_config
from small_configs import sinusoid
from typer.main import get_command

from orchestrator.cli.app import app
from orchestrator.cli.common import RESULTS
from orchestrator.cli.registry import COMMANDS
from orchestrator.config.schema import presets
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage

pytestmark = pytest.mark.usefixtures("shared_runners")
#: What these print is a log, or a line or two about a file or a job.
NO_TABLE = {"export", "serve", "submit", "logs", "stop"}
CONFIG = ["outer.steps=4", "checkpoint.every=2", "checkpoint.keep=5"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a configuration and its run."""
    folder = tmp_path_factory.mktemp("runs")
    write_config(folder, sinusoid(*CONFIG))
    return folder


@pytest.fixture
def document(folder, monkeypatch, capsys):
    """Run a command in the folder: its JSON document, and what it writes to standard error."""

    def run(*words):
        monkeypatch.chdir(folder)
        code, out, err = metatrain(capsys, monkeypatch, *words, "--json")
        assert code == 0, err
        assert RESULTS.stderr is False
        return json.loads(out), err

    return run


def test_every_command_that_prints_a_table_has_it():
    commands = get_command(app).commands
    lacking = {
        name
        for name in COMMANDS
        if not any("--json" in option.opts for option in commands[name].params)
    }
    assert lacking == NO_TABLE


def test_a_run_its_checkpoints_its_evaluation_and_its_page(document, folder):
    trained, err = document("train", "small.toml", "--out", "run")
    on_disk = json.loads((folder / "run" / "evaluation.json").read_text())
    assert trained == {"run": "run", "evaluation": on_disk}
    assert "before and after adaptation" in err

    saved, _ = document("checkpoints", "run")
    names = checkpoint.names(Storage(str(folder / "run")))
    assert [row["name"] for row in saved["checkpoints"]] == names
    assert [row["step"] for row in saved["checkpoints"]] == [0, 2, 4]
    assert saved["checkpoints"][-1]["used_by"] == ["resume", "evaluate"]
    assert all(row["verified"] for row in saved["checkpoints"])

    scores, _ = document("evaluate", "run")
    assert scores == trained

    page, _ = document("report", "run")
    assert page["page"] == "run/report.html"
    assert page["runs"] == [{"run": "run", "step": 4, "steps": 4, "evaluation": on_disk}]


def test_presets_and_data(document):
    listed, _ = document("presets")
    assert list(listed["presets"]) == presets()
    assert "Finn et al. 2017" in listed["presets"]["sinusoid"]
    assert "sinusoid" in listed["sweeps"]
    data, _ = document("data", "sinusoid")
    assert data["kind"] == "sinusoid"
    assert (data["works"], data["problem"]) == (True, "")
    assert data["description"]["source"].startswith("generated")


def test_data_that_cannot_work_say_so_and_end_with_1(tmp_path, image_zip, monkeypatch, capsys):
    words = ["data", image_zip, "--set", f"cache={tmp_path / 'cache'}", "--set", "ways=19"]
    code, out, _ = metatrain(capsys, monkeypatch, *words, "--json")
    assert code == 1
    data = json.loads(out)
    assert data["works"] is False
    assert "task.ways = 19" in data["problem"]
    assert data["description"]["classes"] == 20


def test_an_error_leaves_standard_output_empty(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    code, out, err = metatrain(capsys, monkeypatch, "evaluate", "nowhere", "--json")
    assert (code, out) == (2, "")
    assert "holds no run" in err
    assert RESULTS.stderr is False
