"""A URI with a secret is refused everywhere; keys of the environment are never written."""

import os
import sys
import tomllib
from pathlib import Path

import pytest
import tomli_w
import warm_commands
from ray.train import RunConfig
from shell_commands import environment
from small_configs import SINUSOID
from small_s3 import store, without_aws

from orchestrator.cli.app import main
from orchestrator.config import schema as configuration
from orchestrator.learner import Learner
from orchestrator.sweep.settings import parse_sweep, read_sweep
from orchestrator.trainer import MetaTrainer

URI = "s3://KEY:PASSWORT@bucket/run"
SWEEP = {
    "base": "base.toml",
    "samples": 1,
    "space": {"algorithm.inner_lr": {"choice": [0.01, 0.02]}},
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    (tmp_path / "base.toml").write_text(tomli_w.dumps(SINUSOID))
    (tmp_path / "sweep.toml").write_text(tomli_w.dumps(SWEEP))
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ["train", "base.toml", "--out", URI],
        ["train", "base.toml", f"--out={URI}", "--resume"],
        ["train", "base.toml", "--out", "s3://bucket/run?secret_key=PASSWORT"],
        ["train", "base.toml", "--set", f"name={URI}"],
        ["train", "omniglot-5w1s", "--set", f"task.path=['{URI}']"],
        ["tune", "sweep.toml", "--out", URI],
        ["tune", "sweep.toml", "--set", f"name={URI}"],
        ["tune", "secret.toml", "--out", "sweep"],
        ["evaluate", URI],
        ["checkpoints", URI],
        ["report", URI],
        ["adapt", URI, "--support", "a.csv", "--query", "b.csv"],
        ["export", URI, "file"],
    ],
    ids=lambda words: " ".join(words),
)
def test_a_command_with_a_secret_in_a_uri_is_refused_in_a_line(folder, monkeypatch, capsys, words):
    (folder / "secret.toml").write_text(
        tomli_w.dumps({**SWEEP, "mlflow": "http://user:PASSWORT@host"})
    )
    before = sorted(folder.rglob("*"))
    monkeypatch.setattr(sys, "argv", ["metatrain", *words])
    with pytest.raises(SystemExit) as end:
        main()
    output = capsys.readouterr()
    assert (end.value.code, output.out) == (2, "")
    (line,) = output.err.splitlines()
    assert "holds a secret (***)" in line
    assert "in the environment" in line
    assert "PASSWORT" not in line
    assert sorted(folder.rglob("*")) == before


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        (lambda: MetaTrainer(SINUSOID, run_config=RunConfig("run", storage_path=URI)), "AWS_AC"),
        (lambda: MetaTrainer(SINUSOID, run_config=RunConfig(storage_path="s3://T@b")), "AWS_AC"),
        (lambda: MetaTrainer(SINUSOID, overrides={"name": "http://PASSWORT@h"}), "name = http"),
        (lambda: Learner.load(URI), "AWS_AC"),
        (lambda: configuration.load({**SINUSOID, "name": "see gs://PASSWORT@b/x"}), "GOOGLE_APP"),
        (lambda: parse_sweep({**SWEEP, "mlflow": "http://PASSWORT@host"}, "a"), "MLFLOW_TRACKING"),
        (lambda: parse_sweep({**SWEEP, "mlflow": "postgresql://u:PASSWORT@h"}, "a"), "PGPASSWORD"),
        (lambda: parse_sweep({**SWEEP, "mlflow": "mysql://h;password=PASSWORT"}, "a"), "mlflow = "),
        (
            lambda: parse_sweep({**SWEEP, "overrides": {"name": "abfs://c:PASSWORT@a/b"}}, "a"),
            "overrides.name = abfs.*AZURE_CLIENT",
        ),
        (lambda: read_sweep("sweep.toml", [f"task.path={URI}"]), "task.path = s3"),
        (
            lambda: parse_sweep({**SWEEP, "space": {"name": {"choice": ["a", URI]}}}, "a"),
            "space.name.choice = s3",
        ),
    ],
)
def test_a_secret_in_a_configuration_or_in_python_is_refused(refused, expected):
    with pytest.raises(ValueError, match=expected) as refusal:
        refused()
    assert "PASSWORT" not in str(refusal.value)
    assert "holds a secret" in str(refusal.value)


def test_an_address_of_ray_with_a_secret_is_refused_before_ray_logs_it(monkeypatch):
    from orchestrator.pool.ray_session import start_ray

    monkeypatch.setenv("RAY_ADDRESS", "ray://u:PASSWORT@host:10001")
    with pytest.raises(ValueError, match=r"RAY_ADDRESS = ray://\*\*\*@host:10001 holds") as no:
        start_ray(1, verbose=False)
    assert "PASSWORT" not in str(no.value)


@pytest.mark.ray
@pytest.mark.slow
def test_a_sweep_on_s3_with_keys_of_the_environment_writes_them_nowhere(folder, tmp_path):
    """Nor does Ray, in the folder of its session; nor Tune, in what it pickles."""
    small = ("--set=model.hidden=[4]", "--set=outer.meta_batch_size=2")
    small += ("--set=evaluation.inner_steps=[1]",)
    ray_folder = Path(os.environ["RAY_TMPDIR"], "ray")
    with store() as s3:
        done = warm_commands.run(
            folder,
            *("tune", "sweep.toml", "--out", s3.uri("sweep"), "--set", "outer.steps=2", *small),
            environment=without_aws(environment(), str(tmp_path)) | s3.keys,
        )
        assert done.returncode == 0, done.stderr
        written = {name: content.decode("latin-1") for name, content in s3.objects().items()}
        for place in [*ray_folder.rglob("*"), *folder.rglob("*")]:
            if place.is_file() and not place.is_symlink():
                written[str(place)] = place.read_bytes().decode("latin-1")
        assert {"sweep/tune/tuner.pkl", "sweep/sweep.json", "sweep/report.html"} <= set(written)
        assert any("runtime_env_agent.log" in name for name in written)
        message = {name for name, content in written.items() if s3.shown_in(content)}
        assert message == set()
        assert not s3.shown_in(done.stdout + done.stderr)
    table = tomllib.loads(written["sweep/best.toml"])
    assert table["name"] == "small"
