"""The examples of README.md and of docs/ do what the pages say."""

import os
import re
import sys
import tomllib

import pages
import pytest
import warm_commands
from pages import block

from orchestrator.config import schema as configuration
from orchestrator.records.metrics_log import read_metrics
from orchestrator.sweep.settings import read_sweep
from orchestrator.sweep.space import check_space
from workers.models.user_model import KerasModel
from workers.tasks.registry import make_family
from workers.wire.protocol import Draw


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


def test_the_policy_of_the_docs_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    from workers.models.registry import make_model

    (tmp_path / "my_policies.py").write_text(block("own policy example", "python"))
    settings = KerasModel(source="my_policies:wide", folder=str(tmp_path), arguments={"units": 8})
    model = make_model(settings, (3,), 2)
    assert model.keras_model.output_shape == (None, 2)


def test_the_texts_of_the_docs_have_a_configuration(tmp_path):
    (tmp_path / "mails.toml").write_text(block("text example", "toml"))
    (tmp_path / "mails.csv").touch()
    config, _ = configuration.load(str(tmp_path / "mails.toml"))
    assert (config.task.kind, config.algorithm.kind, config.model.kind) == ("text", "anil", "text")
    assert config.task.path == str(tmp_path / "mails.csv")


def test_the_table_in_python_of_the_docs_has_a_configuration(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(block("table example", "python"), names)
    config = names["trainer"].config
    assert (config.task.target_column, config.outer.steps) == ("activity", 500)


def test_python_of_the_pages_compiles():
    for page, code in pages.blocks("python"):
        row = re.match('"[a-z]', code)  # of a registry
        compile(f"{{{code}}}" if row else code, page, "exec")


def test_the_recurrent_policy_of_the_docs_has_a_configuration(tmp_path):
    (tmp_path / "remembers.toml").write_text(block("rl2 example", "toml"))
    config, _ = configuration.load(str(tmp_path / "remembers.toml"))
    assert (config.algorithm.kind, config.model.kind) == ("rl2", "gaussian_gru")
    assert config.evaluation.inner_steps == (2,)


def test_toml_of_the_pages_is_read():
    assert all(tomllib.loads(code) for _, code in pages.blocks("toml"))


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


def test_the_list_of_environments_of_the_page_is_split(tmp_path):
    (tmp_path / "poles.toml").write_text(block("environments example", "toml"))
    family = make_family(configuration.load(str(tmp_path / "poles.toml"))[0].task)
    assert family.protocol("test")["split"].startswith("4 training, 1 validation, 3 test tasks")
    names = [name for split in ("train", "validation", "test") for name in named(family, split)]
    assert len(names) == 8
    assert "force_mag 8, length 0.3" in names  # as the page's split file has it


@pytest.mark.parametrize(
    ("example", "split"),
    [
        ("metaworld example", "10 training, 10 validation, 10 test tasks; none is in two"),
        ("ml10 example", "100 training, 20 validation, 50 test tasks; none is in two"),
    ],
)
def test_the_benchmarks_of_meta_world_of_the_page_are_split(tmp_path, monkeypatch, example, split):
    import small_metaworld

    (tmp_path / "run.toml").write_text(block(example, "toml"))
    task = tomllib.loads(block(example, "toml"))["task"]
    ids = [task.get("environment"), *(entry.get("id") for entry in task["environments"])]
    arms = {name.partition(":")[2]: small_metaworld.Arm for name in ids if name}
    small_metaworld.install(monkeypatch, **arms)
    family = make_family(configuration.load(str(tmp_path / "run.toml"))[0].task)
    assert family.protocol("test")["split"] == split


def named(family, split):
    return family.describe()[f"{split}_tasks"].split("; ")


def test_the_columns_of_the_readme_are_those_of_a_run(tmp_path):
    import synthetic_run

    config, _ = configuration.load("sinusoid", ["outer.steps=5"])
    storage = synthetic_run.write_run(tmp_path / "run", config, incidents=False)
    table = pages.everything().split("| column | what it is | unit |")[1].split("\n\n")[0]
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
    (tmp_path / "sure.py").write_text(block("uncertainty example", "python"))
    both = block("short python example", "python")
    assert '{"outer.steps": 2000}' in both
    (tmp_path / "both.py").write_text(both.replace('"outer.steps": 2000', few))

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
    done = run("sure.py")
    assert done.returncode == 0, done.stderr
    done = run("both.py")
    assert done.returncode == 0, done.stderr
