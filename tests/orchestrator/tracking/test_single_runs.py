"""Single runs logged to MLflow and to Weights & Biases, through Ray's integrations."""

import json

import pytest
import small_trackers
from inline_command import metatrain
from shell_commands import write_config
from small_configs import sinusoid

from orchestrator.config.schema import load, to_toml
from orchestrator.records.metrics_log import read_metrics
from orchestrator.storage.storage import Storage
from orchestrator.tracking import registry, tracking

pytestmark = pytest.mark.usefixtures("shared_runners")
MLFLOW, WANDB = ["--set", "tracking.mlflow=sqlite:///x"], ["--set", "tracking.wandb=sines"]


@pytest.fixture
def mlflow(monkeypatch):
    monkeypatch.setitem(
        registry.SERVICES,
        "mlflow",
        registry.Service("MLflow", lambda uri, key: None, registry.SERVICES["mlflow"].place),
    )
    return small_trackers.installed(monkeypatch, small_trackers.SmallMlflow())


@pytest.fixture
def wandb(monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    return small_trackers.installed(monkeypatch, small_trackers.SmallWandb())


@pytest.fixture
def train(tmp_path, monkeypatch, capsys):
    """Run `metatrain train small.toml --out run WORDS...`, which must succeed."""
    monkeypatch.chdir(tmp_path)
    write_config(tmp_path, sinusoid("outer.steps=8"))

    def run(*words, code=0):
        done = metatrain(capsys, monkeypatch, "train", "small.toml", "--out", "run", *words)
        assert done[0] == code, done[2]
        return done

    return run


def test_a_run_is_logged_to_mlflow_with_its_configuration_and_scores(mlflow, train, tmp_path):
    _, out, _ = train(*MLFLOW, "--json")
    assert json.loads(out)["run"] == "run"  # what MLflow prints is not on standard output
    (run,) = mlflow.runs.values()
    assert mlflow.uris == ["sqlite:///x"]
    assert mlflow.experiments == ["small"]
    assert run["name"] == "run"
    assert run["status"] == "FINISHED"
    assert run["params"]["outer.steps"] == 8
    rows = {row["step"]: row for row in read_metrics(Storage(str(tmp_path / "run")))}
    assert {4, 8} <= run["metrics"].keys()  # validations
    assert run["metrics"][4]["validation_loss"] == rows[4]["validation_loss"]
    result = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert run["metrics"][8] == {f"test_{name}": v for name, v in result["after"].items()}


@pytest.mark.slow
def test_a_resume_continues_the_same_run_there(mlflow, train):
    train(*MLFLOW, "--set", "outer.steps=4")
    train(*MLFLOW, "--set", "outer.steps=8", "--resume")
    (run,) = mlflow.runs.values()
    assert {4, 8} <= run["metrics"].keys()
    assert run["params"]["outer.steps"] == 4  # MLflow refuses to change a parameter


def test_a_run_that_is_active_already_is_not_ended(mlflow, train):
    mlflow.start_run("mine")
    train(*MLFLOW)
    assert mlflow.active_run() is not None
    assert [run["name"] for run in mlflow.runs.values()] == ["mine"]
    assert mlflow.runs["run0"]["status"] == ""


def test_a_server_that_goes_is_told_once_and_the_run_is_the_same(mlflow, train, tmp_path):
    mlflow.fails = True
    _, _, err = train(*MLFLOW)
    assert err.count("MLflow takes no more of this run: the server is gone") == 1
    assert len(read_metrics(Storage(str(tmp_path / "run")))) == 8


def test_a_run_that_fails_is_marked_so(mlflow, train):
    train(*MLFLOW, "--set", "algorithm.inner_lr=1e30", code=1)
    (run,) = mlflow.runs.values()
    assert run["status"] == "FAILED"


@pytest.mark.slow
def test_a_run_is_logged_to_wandb(wandb, train, tmp_path):
    train(*WANDB)
    (given,) = wandb.inits
    assert (given["project"], given["name"], given["group"]) == ("sines", "run", "small")
    assert given["dir"] == str(tmp_path / "run")
    assert given["config"]["outer.steps"] == 8
    assert "validation_loss" in wandb.metrics[8]
    assert "test_loss" in wandb.metrics[8]
    assert wandb.exit_codes == [0]
    train(*WANDB, "--resume")
    assert wandb.inits[1]["id"] == given["id"]
    assert json.loads((tmp_path / "run" / "tracking.json").read_text()) == {"wandb": given["id"]}


@pytest.mark.parametrize(
    ("name", "setting"), [("mlflow", "http://127.0.0.1:1"), ("wandb", "sines")]
)
def test_a_package_that_is_missing_is_refused_in_one_line(
    train, tmp_path, monkeypatch, name, setting
):
    from orchestrator.tracking import mlflow_server, wandb_account

    for module in (mlflow_server, wandb_account):
        monkeypatch.setattr(module, "find_spec", lambda package: None)
    _, out, err = train("--set", f"tracking.{name}={setting}", code=2)
    assert out == ""
    (line,) = err.splitlines()
    assert line == (
        f"metatrain: tracking.{name} = '{setting}' needs a package that is not installed: "
        f"pip install {name}, or leave it out"
    )
    assert not (tmp_path / "run").exists()


def test_without_an_account_of_wandb_the_run_does_not_start(wandb, train, monkeypatch, tmp_path):
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    _, _, err = train(*WANDB, code=2)
    assert "nobody is logged in: run wandb login" in err
    assert not (tmp_path / "run").exists()


def test_tracking_changes_no_bits_and_stands_in_no_other_configuration():
    plain, tracked = load("sinusoid")[0], load("sinusoid", ["tracking.wandb=sines"])[0]
    assert plain.bits_hash() == tracked.bits_hash()
    assert "tracking" not in to_toml(plain)
    assert 'wandb = "sines"' in to_toml(tracked)


def test_of_fast_steps_one_a_second_is_logged(mlflow, tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "_EVERY_S", 1e9)
    config = sinusoid("outer.steps=9", "tracking.mlflow=sqlite:///x")
    storage = Storage(str(tmp_path / "run"))
    log = tracking.Tracking(config, storage, print)
    log.open()
    for step in range(1, 10):
        log.log({"step": step, "loss": 0.5}, validated=step == 4)
    log.close("stopped")
    (run,) = mlflow.runs.values()
    assert list(run["metrics"]) == [1, 4, 9]
    assert run["status"] == "KILLED"


@pytest.mark.filterwarnings("ignore")  # those of the package
def test_mlflow_itself_has_the_metrics_and_continues_its_run(tmp_path):
    mlflow = pytest.importorskip("mlflow", reason="MLflow is not installed")
    config = sinusoid("outer.steps=9", f"tracking.mlflow=sqlite:///{tmp_path}/m.db")
    tracking.check_tracking(config)
    storage = Storage(str(tmp_path / "run"))
    for steps in ([3, 6], [9]):
        log = tracking.Tracking(config, storage, pytest.fail)
        log.open()
        for step in steps:
            log.log({"step": step, "loss": 0.5 / step}, validated=True)
        log.log_test({"loss": 0.25})
        log.close("finished")
    client = mlflow.MlflowClient(config.tracking.mlflow)
    (run,) = client.search_runs([client.get_experiment_by_name("small").experiment_id])
    assert (run.info.run_name, run.info.status) == ("run", "FINISHED")
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(point.step, point.value) for point in history] == [
        (3, 0.5 / 3),
        (6, 0.5 / 6),
        (9, 0.5 / 9),
    ]
    assert run.data.metrics["test_loss"] == 0.25


@pytest.mark.filterwarnings("ignore")  # those of the package
def test_wandb_itself_takes_the_metrics(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="Weights & Biases is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    config = sinusoid("outer.steps=9", "tracking.wandb=sines")
    tracking.check_tracking(config)
    log = tracking.Tracking(config, Storage(str(tmp_path)), pytest.fail)
    log.open()
    log.log({"step": 9, "loss": 0.5}, validated=True)
    log.close("finished")
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))
