"""MetaTrainer: the command line's run, from Python, with or without a Ray that runs already."""

import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import ray
from ray.train import CheckpointConfig, Result, RunConfig, ScalingConfig
from small_configs import SINUSOID, sinusoid
from small_ray import running_ray
from test_cli import environment

from orchestrator import checkpoint
from orchestrator.config import to_toml
from orchestrator.metrics_log import read_metrics
from orchestrator.outer import OuterUpdate
from orchestrator.storage import Storage
from orchestrator.trainer import MetaTrainer


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def train(config, folder, **options):
    run = RunConfig(storage_path=str(folder), name="run", **options.pop("run", {}))
    return MetaTrainer(config, run_config=run, **options).fit()


def test_the_result_is_rays_with_metrics_checkpoints_and_a_dataframe(tmp_path):
    result = train(sinusoid(), tmp_path, run={"checkpoint_config": CheckpointConfig(num_to_keep=9)})
    assert isinstance(result, Result)
    assert result.error is None
    assert result.path == str(tmp_path / "run")
    assert result.metrics["step"] == 12
    tested = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert result.metrics["test_loss"] == tested["after"]["loss"]
    assert result.metrics["test_protocol"] == tested["protocol"]
    assert result.metrics["tested_theta_sha256"] == tested["theta_sha256"]
    assert list(result.metrics_dataframe["step"]) == list(range(1, 13))
    assert result.metrics_dataframe["loss_after"].notna().all()
    assert [row["step"] for _, row in result.best_checkpoints] == [4, 8, 12]

    with result.checkpoint.as_directory() as folder:
        manifest = json.loads(Path(folder, "manifest.json").read_text())
    assert manifest["step"] == 12
    best = result.get_best_checkpoint("validation_loss", "min")
    assert Path(best.path).name == checkpoint.best(Storage(result.path))[0]


class AnyPath:
    """Not a pathlib.Path, and a path all the same."""

    def __init__(self, path):
        self._path = path

    def __fspath__(self):
        return str(self._path)


@pytest.mark.parametrize("kind", [str, Path, AnyPath])
def test_a_configuration_may_be_any_path(tmp_path, kind):
    file = tmp_path / "mine.toml"
    file.write_text(to_toml(sinusoid()))
    assert MetaTrainer(kind(file)).config == sinusoid()


@pytest.mark.parametrize("kind", [str, Path, AnyPath])
def test_a_runs_own_configuration_resumes_that_run(tmp_path, kind):
    (tmp_path / "first" / "checkpoints").mkdir(parents=True)
    file = tmp_path / "first" / "config.toml"
    file.write_text(to_toml(sinusoid()))
    assert MetaTrainer(kind(file), resume=True).location == str(tmp_path / "first")
    assert MetaTrainer(kind(file)).location == "runs/small"
    with pytest.raises(ValueError, match="there is no run to resume: runs/small holds none"):
        MetaTrainer(sinusoid(), resume=True)


def test_twice_in_one_process_gives_the_same_and_goes_on_where_it_ended(tmp_path):
    once = train(sinusoid("outer.steps=8"), tmp_path / "a")
    again = train(SINUSOID, tmp_path / "b", overrides={"outer.steps": 8})
    assert once.metrics["tested_theta_sha256"] == again.metrics["tested_theta_sha256"]
    more = train(sinusoid("outer.steps=12"), tmp_path / "a", resume=True)
    whole = train(sinusoid("outer.steps=12"), tmp_path / "c")
    assert list(more.metrics_dataframe["step"]) == list(range(1, 13))
    assert (
        checkpoint.load_latest(Storage(more.path))[1].theta_sha256
        == checkpoint.load_latest(Storage(whole.path))[1].theta_sha256
    )


def test_a_folder_with_a_run_is_not_overwritten(tmp_path):
    train(sinusoid("outer.steps=4"), tmp_path)
    with pytest.raises(ValueError, match="holds a run already"):
        train(sinusoid("outer.steps=4"), tmp_path)


def test_without_a_run_config_the_folder_is_the_first_free_one(tmp_path):
    Path("runs/small").mkdir(parents=True)
    trainer = MetaTrainer(SINUSOID, overrides={"workers.count": 0})
    assert trainer.location == "runs/small-2"


@pytest.mark.parametrize(
    ("config", "overrides", "message"),
    [
        ("sinusoit", {}, "did you mean 'sinusoid'"),
        ("sinusoid", {"outer.stepz": 3}, "unknown key outer.stepz"),
        ("sinusoid", {"outer.steps": 0}, "outer.steps must be at least 1, got 0"),
        ({"model": {"kind": "mlp"}}, {}, "task.kind is missing"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_starts(config, overrides, message):
    with pytest.raises(ValueError, match=message):
        MetaTrainer(config, overrides=overrides)


def test_an_interrupt_saves_the_last_whole_step(tmp_path):
    steps = 20_000
    changes = {"outer.steps": steps, "evaluation.every": steps, "checkpoint.every": steps}
    log = tmp_path / "run" / "metrics.jsonl"

    def interrupt():
        while not (log.exists() and log.read_text().count("\n") > 10):
            threading.Event().wait(0.05)
        signal.raise_signal(signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)  # a job may ignore it
    try:
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            train(SINUSOID, tmp_path, overrides=changes)
        thread.join()
    finally:
        signal.signal(signal.SIGINT, previous)
    state, *_ = checkpoint.load_latest(Storage(str(tmp_path / "run")))
    assert 10 < state.step < steps
    assert state.step == read_metrics(Storage(str(tmp_path / "run")))[-1]["step"]


def test_a_step_is_finished_before_an_interrupt_stops_it(tmp_path, monkeypatch):
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    update = OuterUpdate.apply

    def interrupted(outer, *arguments):
        update(outer, *arguments)
        if outer.step == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(OuterUpdate, "apply", interrupted)
    try:
        with pytest.raises(KeyboardInterrupt):
            train(sinusoid("outer.steps=9", "checkpoint.every=9"), tmp_path)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, previous)
    assert checkpoint.load_latest(Storage(str(tmp_path / "run")))[0].step == 3


@pytest.mark.ray
def test_on_a_ray_that_runs_already_it_takes_actors_and_leaves_it_running(tmp_path):
    alone = train(sinusoid(), tmp_path / "alone", scaling_config=ScalingConfig(num_workers=0))
    with running_ray(num_cpus=2):
        two = ScalingConfig(num_workers=2)
        result = train(sinusoid(), tmp_path / "two", scaling_config=two)
        assert ray.is_initialized()
        assert result.metrics["tested_theta_sha256"] == alone.metrics["tested_theta_sha256"]
        many = MetaTrainer(sinusoid(), scaling_config=ScalingConfig(num_workers=5))
        with pytest.raises(ValueError, match="needs 5 CPUs, but Ray has 2"):
            many.fit()
        assert ray.is_initialized()


_SHORT_RUN = """
from orchestrator.trainer import MetaTrainer
from ray.train import RunConfig, ScalingConfig

result = MetaTrainer(
    "sinusoid",
    overrides={"outer.steps": 4, "evaluation.tasks": 4, "evaluation.validation_tasks": 4},
    scaling_config=ScalingConfig(num_workers=1),
    run_config=RunConfig(storage_path="runs", name="NAME"),
).fit()
print(result.metrics["tested_theta_sha256"])
"""


def hashes(printed):
    return re.findall("^[0-9a-f]{64}$", printed, re.MULTILINE)


@pytest.mark.ray
@pytest.mark.slow
def test_on_the_cluster_of_ray_address_twice(tmp_path):
    from ray.cluster_utils import Cluster

    cluster = Cluster(True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        code = "".join(_SHORT_RUN.replace("NAME", name) for name in "ab")
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            text=True,
            env=environment() | {"RAY_ADDRESS": cluster.address},
            timeout=600,
        )
    finally:
        cluster.shutdown()
    assert done.returncode == 0, done.stderr
    assert len(hashes(done.stdout)) == 2
    assert len(set(hashes(done.stdout))) == 1


@pytest.mark.ray
@pytest.mark.slow
def test_in_a_notebook(tmp_path):
    """In a real kernel, whose main thread has an event loop; Ray starts and ends with each cell."""
    import nbformat
    from nbclient import NotebookClient

    cells = [nbformat.v4.new_code_cell(_SHORT_RUN.replace("NAME", name)) for name in "ab"]
    notebook = nbformat.v4.new_notebook(cells=cells)
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": tmp_path}})
    client.execute(env=environment())
    printed = [
        output.text
        for cell in notebook.cells
        for output in cell.outputs
        if output.get("name") == "stdout"
    ]
    assert len(hashes("".join(printed))) == 2
    assert len(set(hashes("".join(printed)))) == 1


def test_a_package_of_the_users_in_the_way_is_an_import_error_that_names_it(tmp_path):
    package = tmp_path / "workers" / "__init__.py"
    package.parent.mkdir()
    package.touch()
    script = tmp_path / "train.py"
    script.write_text("from orchestrator.trainer import MetaTrainer\n")
    done = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, env=environment()
    )
    assert done.returncode == 1
    assert (
        f"ImportError: your package 'workers' ({package}) hides metatrain's package" in done.stderr
    )
