"""What README.md says is there, is there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import warm_commands

from orchestrator.config import schema as configuration
from orchestrator.records.metrics_log import read_metrics
from orchestrator.sweep.settings import read_sweep, shipped_sweeps
from orchestrator.sweep.space import check_space
from workers.models.user_model import KerasModel
from workers.tasks.registry import make_family
from workers.wire.protocol import Draw

REPOSITORY = Path(__file__).parents[1]
README = (REPOSITORY / "README.md").read_text()
# What a preset cannot know.
NEEDED = {
    "table": ["task.path=a.csv", "task.task_column=a", "task.target_column=b"],
    "signals": ["task.path=a.npz"],
}


def commands():
    """Every `metatrain ...` in README.md, with continued lines joined."""
    joined = README.replace("\\\n", " ")
    known = (
        "train|evaluate|adapt|generate|adapt-policy|export|doctor|data|presets|checkpoints|report"
        "|submit|status|logs|stop|list"
    )
    found = re.findall(rf"metatrain (?:{known})\b[^`\n]*", joined)
    assert len(found) >= 5
    return found


def block(marker, language="sh"):
    """What is between `<!-- marker -->` and the closing fence."""
    match = re.search(rf"<!-- {marker} -->\n```{language}\n(.*?)\n```", README, re.S)
    assert match, marker
    return match.group(1)


def test_the_table_of_presets_names_every_preset_and_no_other():
    table = README.split("| preset |")[1].split("\n\n")[0]
    assert sorted(re.findall(r"^\| `([^`]+)` ", table, re.M)) == configuration.presets()


def test_a_preset_in_a_command_exists():
    words = [match.group(1) for line in commands() if (match := re.search(r" train (\S+)", line))]
    names = [word for word in words if re.fullmatch(r"[a-z0-9-]+", word) and word[0] != "-"]
    assert names
    assert set(names) <= set(configuration.presets())


def test_a_key_in_a_command_exists():
    known = set()
    for name in configuration.presets():
        config, _ = configuration.load(name, NEEDED.get(name, []))
        known |= set(configuration.flatten(config.model_dump()))
    known |= {f"model.{name}" for name in KerasModel.model_fields} | {"task.vary"}
    keys = re.findall(r"--set '?([a-z_.]+)=", README)
    assert keys
    for key in keys:
        # `metatrain data FILE` takes the keys of [task] without their section.
        key = re.sub(r"^(model\.arguments|task\.vary)\..*", r"\1", key)
        assert key in known or f"task.{key}" in known, key


def test_an_option_in_a_command_exists():
    from typer.main import get_command

    from orchestrator.cli.app import app

    known = {"--help"}
    for command in get_command(app).commands.values():
        for parameter in command.params:
            known |= set(parameter.opts)
    options = {option for line in commands() for option in re.findall(r"--[a-z-]+", line)}
    options |= set(re.findall(r"`(--[a-z-]+)", README))
    assert {"--set", "--resume"} <= options <= known


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\(([^)#:]+)\)", README))))
def test_what_is_linked_exists(target):
    assert (REPOSITORY / target).exists()


def test_what_the_map_of_rooms_names_exists():
    section = README.split("## Where the code is")[1].split("\n\n**")[0]
    checked = 0
    for line in section.splitlines():
        folder = REPOSITORY
        for name in re.findall(r"`([^`]+(?:/|\.py))`", line.split(" | ")[0]):
            path = REPOSITORY / name if (REPOSITORY / name).exists() else folder / name
            assert path.exists(), f"{name} in {line!r}"
            folder = path.parent
            checked += 1
    assert checked > 10


def test_every_file_that_a_sentence_names_exists():
    named = re.findall(r"(?:workers|orchestrator|benchmarks|tests)/[\w/.-]*\w", README)
    assert named
    for name in named:
        assert (REPOSITORY / name).exists(), name


def test_nothing_is_left_to_fill_in():
    assert not re.search(
        r"\b[A-Z]{3,}_[A-Z]{3,}\b", README.replace("METATRAIN_DATA", "").replace("RAY_ADDRESS", "")
    )


@pytest.mark.parametrize("name", ["run command", "test command"])
def test_ci_runs_the_commands_of_the_readme(name):
    script = (REPOSITORY / ".ci" / "run").read_text()
    function = re.search(r"^run_readme\(\) \{.*?^\}$", script, re.M | re.S).group(0)
    told = function.replace('bash -euo pipefail -c "$command"', 'printf %s "$command" >&3')
    assert told != function
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f'{told}\nrun_readme "{name}" 3>&1 >/dev/null'],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == block(name)
    assert f'\nrun_readme "{name}"\n' in script


def test_ci_runs_the_slow_tests_that_the_command_of_the_readme_leaves_out():
    script = (REPOSITORY / ".ci" / "run").read_text()
    command = block("test command").rpartition(" && ")[2]
    assert script.count(f"\n{command} -m slow\n") == 1


def test_the_commands_need_nothing_but_python():
    for marker in ("run command", "test command"):
        assert block(marker).startswith("python3 -m venv .venv && .venv/bin/pip install ")
    assert block("run command").endswith(".venv/bin/metatrain train")
    assert " .venv/bin/pytest" in block("test command")


def test_the_model_of_the_readme_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    from workers.model_checks.second_derivative import Verdict, check_second_derivative
    from workers.models.registry import make_model

    (tmp_path / "my_models.py").write_text(block("model example", "python"))
    settings = KerasModel(source="my_models:small", folder=str(tmp_path), arguments={"width": 64})
    model = make_model(settings, (28, 28, 1), 5)
    assert model.shapes[0] == (3, 3, 1, 64)
    verdict = check_second_derivative(model.keras_model, (28, 28, 1), batch_statistics=True)
    assert verdict == Verdict()


def test_the_sweep_of_the_readme_is_one(tmp_path):
    (tmp_path / "sweep.toml").write_text(block("sweep example", "toml"))
    sweep, table = read_sweep(str(tmp_path / "sweep.toml"))
    check_space(sweep, table)
    kinds = {dimension.kind for dimension in sweep.space.values()}
    assert kinds == {"choice", "loguniform", "randint", "quniform"}


def test_the_environment_of_the_readme_has_a_family_of_tasks(tmp_path):
    (tmp_path / "my_env.py").write_text(block("environment example", "python"))
    (tmp_path / "boat.toml").write_text(block("policy example", "toml"))
    folder = f"task.folder={tmp_path}"
    config, _ = configuration.load(str(tmp_path / "boat.toml"), [folder])
    family = make_family(config.task)
    assert (family.loss, family.input_shape) == ("gaussian_policy", (2,))
    assert family.sample(Draw(0, "train", 0), 0, 3, 10, 10)["varied/wind"].shape == (3,)


def test_the_sweeps_that_the_readme_names_are_the_shipped_ones():
    chapter = README.split("## Finding hyperparameters")[1].split("\n## ")[0]
    assert all(f"`{name}`" in chapter for name in shipped_sweeps())


def test_the_columns_of_the_readme_are_those_of_a_run(tmp_path):
    import synthetic_run

    config, _ = configuration.load("sinusoid", ["outer.steps=5"])
    storage = synthetic_run.write_run(tmp_path / "run", config, incidents=False)
    table = README.split("| column | what it is | unit |")[1].split("\n\n")[0]
    cells = [line.split(" | ")[0] for line in table.splitlines()[2:]]
    told = {name for cell in cells for name in re.findall(r"`([a-z_*]+)`", cell)}
    logged = {re.sub("^validation_.*", "validation_*", name) for name in read_metrics(storage)[-1]}
    assert logged | {"accuracy", "loss_of_steps"} == told  # of some runs


def test_the_plot_of_the_readme_is_drawn(tmp_path, monkeypatch):
    import synthetic_run

    config, _ = configuration.load("sinusoid", ["outer.steps=300"])
    synthetic_run.write_run(tmp_path, config)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    exec(block("plot example", "python"), {})
    assert (tmp_path / "losses.png").stat().st_size > 5000


@pytest.mark.ray
@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path):
    script = block("python example", "python")
    assert '"outer.steps": 2000' in script
    few = '"outer.steps": 10, "evaluation.every": 10, "evaluation.tasks": 10, "runtime.xla": False'
    few += ', "evaluation.validation_tasks": 10, "runtime.execution": "map"'
    shorter = script.replace('"outer.steps": 2000', few)
    (tmp_path / "train.py").write_text(shorter)
    (tmp_path / "adapt.py").write_text(block("adapt example", "python"))

    def run(name):
        script = tmp_path / name
        return warm_commands.run(tmp_path, script=script, environment=os.environ, timeout_s=600)

    done = run("train.py")
    assert done.returncode == 0, done.stderr
    assert "ckpt-00000010" in done.stdout
    assert (tmp_path / "runs" / "first" / "report.html").exists()
    done = run("adapt.py")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "adapted.keras").exists()
