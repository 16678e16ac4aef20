"""`metatrain doctor` from the command line."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import warm_commands
from small_configs import sinusoid

from metatrain import main
from orchestrator.cli import doctor_command
from orchestrator.config.schema import to_toml
from orchestrator.doctor import child, configuration_check, installation_check, measure
from orchestrator.doctor.finding import Finding

pytestmark = pytest.mark.usefixtures("shared_runners")

HERE = [Finding("TensorFlow", "works"), Finding("Ray", "works")]


@pytest.fixture
def healthy(monkeypatch):
    """Findings of a good installation, without checking it."""
    monkeypatch.setattr(doctor_command, "check_installation", lambda say: iter(HERE))


@pytest.fixture
def here(monkeypatch):
    """Run the checks of child processes (test_doctor_child.py) in this process."""

    def in_this_process(function, *given, say, limit_s=0.0):
        return function(say, *given)

    monkeypatch.setattr(configuration_check, "in_child", in_this_process)
    monkeypatch.setattr(measure, "_BUDGET_S", 0.3)


def metatrain(monkeypatch, capsys, *words):
    monkeypatch.setattr(sys, "argv", ["metatrain", *map(str, words)])
    code = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    output = capsys.readouterr()
    return code, output.out, output.err


def write(folder, *overrides):
    file = folder / "my.toml"
    file.write_text(to_toml(sinusoid(*overrides)))
    return file


REFUSED = {
    "no such preset": (["sinusoids"], "no preset is called 'sinusoids' (did you mean 'sinusoid'?)"),
    "no such file": (["my.toml"], "no such file: my.toml"),
    "a key": (["sinusoid", "--set", "outer.stps=3"], "unknown key outer.stps"),
    "a value": (["sinusoid", "--set", "outer.steps=0"], "outer.steps must be at least 1, got 0"),
    "settings of nothing": (["--set", "outer.steps=3"], "name one"),
    "workers that are none": (["sinusoid", "--workers", "some"], "workers.count must be 0 to 4096"),
    "a range of workers": (["sinusoid", "--workers", "2..4"], "measures on a number of actors"),
    "too many workers": (["sinusoid", "--workers", "999"], "this machine has room for"),
    "no data": (["omniglot-5w1s", "--set", "task.path=nowhere"], "nowhere"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_wrong_input_is_one_line_and_2(healthy, monkeypatch, capsys, tmp_path, case):
    words, message = REFUSED[case]
    monkeypatch.chdir(tmp_path)
    code, out, err = metatrain(monkeypatch, capsys, "doctor", *words)
    assert (code, out) == (2, "")
    lines = [line for line in err.splitlines() if line.startswith("metatrain: ")]
    assert len(lines) == 1
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_a_broken_installation_is_1_and_says_what_to_do(monkeypatch, capsys):
    broken = Finding("TensorFlow", "cannot be imported", "broken", "install it again")
    monkeypatch.setattr(doctor_command, "check_installation", lambda say: iter([broken]))
    code, out, _ = metatrain(monkeypatch, capsys, "doctor", "sinusoid")
    assert code == 1
    assert "✗ TensorFlow cannot be imported" in " ".join(out.split())
    assert "→ install it again" in " ".join(out.split())
    assert "Forecast" not in out


def test_warnings_and_notes_are_0(monkeypatch, capsys):
    findings = [Finding("a", "slow", "warning", "wait"), Finding("b", "so", "note")]
    monkeypatch.setattr(doctor_command, "check_installation", lambda say: iter(findings))
    code, out, _ = metatrain(monkeypatch, capsys, "doctor")
    assert code == 0
    assert "! a slow" in " ".join(out.split())
    assert "· b so" in " ".join(out.split())


def test_json_is_all_that_is_printed(healthy, monkeypatch, capsys):
    code, out, _ = metatrain(monkeypatch, capsys, "doctor", "--json")
    assert code == 0
    document = json.loads(out)
    assert document["installation"][0] == {
        "what": "TensorFlow",
        "found": "works",
        "verdict": "well",
        "advice": "",
    }
    assert document["configuration"] == document["forecast"] == []


@pytest.mark.slow
def test_a_wrong_layer_is_named_and_1_where_it_is_needed_and_a_note_elsewhere(
    healthy, here, monkeypatch, capsys, tmp_path
):
    models = Path(__file__).parents[2] / "fakes/tasks"
    model = ["model.kind=keras", "model.source=user_models:reversed_twice"]
    file = write(tmp_path, *model, f"model.folder={models}")
    before = sorted(tmp_path.rglob("*"))

    code, out, _ = metatrain(monkeypatch, capsys, "doctor", file, "--workers", "0")
    assert code == 1
    text = " ".join(out.split())
    assert "✗ 2nd derivative layer 'first' (Reversed) has a missing or wrong" in text
    assert "✗ 2nd derivative layer 'second' (Reversed)" in text
    assert "→ replace the layer, or set algorithm.first_order=true" in text
    assert "Forecast: 12 outer steps" in text

    first_order = ["--set", "algorithm.first_order=true"]
    code, out, _ = metatrain(monkeypatch, capsys, "doctor", file, "--workers", "0", *first_order)
    assert code == 0
    assert "· 2nd derivative layer 'first'" in out
    assert sorted(tmp_path.rglob("*")) == before


def test_a_model_that_cannot_be_had_is_2(healthy, here, monkeypatch, capsys, tmp_path):
    models = Path(__file__).parents[2] / "fakes/tasks"
    model = ["model.kind=keras", "model.source=user_models:no_model"]
    file = write(tmp_path, *model, f"model.folder={models}")
    code, _, err = metatrain(monkeypatch, capsys, "doctor", file, "--workers", "0")
    assert code == 2
    assert err.splitlines()[-1].startswith(
        "metatrain: model.source = 'user_models:no_model' returned an object of type list"
    )


@pytest.mark.slow
@pytest.mark.ray
def test_a_configuration_is_measured_here_and_on_actors(monkeypatch, capsys, tmp_path):
    """Check on a separate Ray, in separate processes, as for the installation.

    They are forked with modules imported: test_doctor_child.py starts new ones.
    """
    forking = SimpleNamespace(get_context=lambda kind: warm_commands._context())
    monkeypatch.setattr(child, "multiprocessing", forking)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    file = write(tmp_path, "model.hidden=[4]", "outer.meta_batch_size=8")
    code, out, err = metatrain(monkeypatch, capsys, "doctor", file, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert {finding["what"] for finding in document["installation"]} >= {"TensorFlow", "Ray"}
    rows = document["forecast"]
    assert [row["num_actors"] for row in rows] == [0, 1, 2, 4]
    assert [row["basis"] for row in rows][:3] == ["measured", "forecast", "measured"]
    assert all(row["tasks_per_s"] > 0 and row["driver_bytes"] > 1e8 for row in rows)
    assert all(row["actor_bytes"] > 1e8 for row in rows[1:])
    assert [path.name for path in tmp_path.iterdir()] == ["my.toml"]


def test_an_address_where_nothing_answers_is_found_and_1(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(installation_check, "_check_tensorflow", lambda say: iter(HERE[:1]))
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    monkeypatch.chdir(tmp_path)
    code, out, _ = metatrain(monkeypatch, capsys, "doctor")
    assert code == 1
    assert "✗ RAY_ADDRESS" in " ".join(out.split())
    assert "nothing answers at 127.0.0.1:1" in " ".join(out.split())
    assert "unset RAY_ADDRESS to run on this machine" in " ".join(out.split())
