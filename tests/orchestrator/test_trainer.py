"""MetaTrainer: the command line's run, from Python, with or without a Ray that runs already."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import ray
from ray.train import CheckpointConfig, Result, RunConfig, ScalingConfig
from shell_commands import environment
from small_configs import ONE_BY_ONE, SINUSOID, sinusoid
from small_ray import NUM_CPUS

from orchestrator.config.schema import to_toml
from orchestrator.outer.update import OuterUpdate
from orchestrator.records.metrics_log import read_metrics
from orchestrator.run import train as train_module
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from orchestrator.trainer import MetaTrainer

pytestmark = pytest.mark.usefixtures("shared_runners")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def no_pictures(monkeypatch):
    monkeypatch.setattr(train_module, "_draw", lambda *given: None)


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
    """A path that is not a pathlib.Path."""

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


def test_twice_in_one_process_gives_the_same_and_goes_on_where_it_ended(tmp_path, no_pictures):
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


def test_a_folder_with_a_run_is_not_overwritten(tmp_path, no_pictures):
    train(sinusoid("outer.steps=4"), tmp_path)
    with pytest.raises(ValueError, match="already holds a run"):
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
@pytest.mark.slow
@pytest.mark.usefixtures("shared_ray")
def test_on_a_ray_that_runs_already_it_takes_actors_and_leaves_it_running(tmp_path, no_pictures):
    config = sinusoid(*ONE_BY_ONE, "outer.steps=3", "evaluation.tasks=2")
    alone = train(config, tmp_path / "alone", scaling_config=ScalingConfig(num_workers=0))
    one = ScalingConfig(num_workers=1)
    result = train(config, tmp_path / "one", scaling_config=one)
    assert ray.is_initialized()
    assert result.metrics["tested_theta_sha256"] == alone.metrics["tested_theta_sha256"]
    many = MetaTrainer(sinusoid(), scaling_config=ScalingConfig(num_workers=NUM_CPUS + 1))
    with pytest.raises(ValueError, match=f"needs {NUM_CPUS + 1} CPUs, but Ray has {NUM_CPUS}"):
        many.fit()
    assert ray.is_initialized()


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
