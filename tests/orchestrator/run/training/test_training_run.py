"""What a run writes: its steps, its checkpoints and its scores."""

import json
import shutil

import numpy as np
import pytest
from small_configs import sinusoid
from small_runs import in_process
from training_runs import finish, start, steps_logged

from orchestrator.config.schema import load
from orchestrator.records.metrics_log import read_metrics
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from workers.wire.errors import CheckpointError, NonFiniteError, PoolError
from workers.wire.tensors import sha256


def test_a_run_leaves_its_configuration_its_metrics_its_scores_and_its_checkpoints(
    finished, config
):
    folder, *_ = finished
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoints",
        "config.toml",
        "evaluation.json",
        "history.json",
        "metrics.jsonl",
        "support_losses.json",
        "tasks.parquet",
        "tensorboard",
    ]
    assert load(str(folder / "config.toml"))[0] == config


def test_there_is_a_row_for_every_step(finished):
    folder, progress, *_ = finished
    assert steps_logged(folder) == list(range(1, 13))
    for row, step in zip(read_metrics(Storage(str(folder))), progress, strict=True):
        assert row["loss_before"] == step.report.metrics["loss_before"]
        assert row["loss_after"] == step.report.metrics["loss_after"]
        assert {"tasks_per_s", "seconds", "replaced_actors"} <= set(row)


def test_validation_and_checkpoints_come_when_they_are_due(finished):
    folder, progress, *_ = finished
    assert [p.report.step for p in progress if p.validation] == [4, 8, 12]
    assert [p.report.step for p in progress if p.saved] == [4, 8, 12]
    rows = read_metrics(Storage(str(folder)))
    assert [row["step"] for row in rows if "validation_loss" in row] == [4, 8, 12]


def test_the_last_step_is_saved_and_validated_wherever_it_falls(tmp_path):
    config = sinusoid("outer.steps=5", "evaluation.every=100", "checkpoint.every=100")
    run = start(config, tmp_path / "run")
    progress, result = finish(run)
    assert [p.report.step for p in progress if p.validation] == [5]
    assert result.checkpoint == "ckpt-00000005"
    state, _, _ = checkpoint.load_latest(Storage(str(tmp_path / "run")))
    assert (state.step, sha256(state.theta)) == (5, run.theta_sha256)


def test_step_0_is_saved_before_the_first_step(tmp_path, config):
    run = start(config, tmp_path / "run")
    state, manifest, _ = checkpoint.load_latest(Storage(str(tmp_path / "run")))
    assert (state.step, manifest.validation) == (0, {})
    assert sha256(state.theta) == run.theta_sha256 == manifest.theta_sha256
    run.close()


def test_a_run_that_cannot_be_opened_closes_its_pool(tmp_path, config):
    launched = in_process(config)
    closed = []
    launched.pool.close = lambda: closed.append(True)
    (tmp_path / "run" / "config.toml").mkdir(parents=True)
    with pytest.raises(CheckpointError):
        TrainingRun(config, Storage(str(tmp_path / "run")), launched, None)
    assert closed == [True]


def test_the_manifest_says_what_was_run(finished, config):
    folder, _, _, theta_sha256 = finished
    _, manifest, _ = checkpoint.load_latest(Storage(str(folder)))
    assert manifest.step == 12
    assert manifest.theta_sha256 == theta_sha256
    assert manifest.bits == json.loads(json.dumps(config.bits()))
    assert manifest.bits_sha256 == config.bits_hash()
    assert manifest.fingerprint["threads"] == [1, 1]
    assert manifest.config["outer"]["lr"] == config.outer.lr
    assert set(manifest.validation) == {
        "metric",
        "sign",
        "score",
        "inner_lr",
        "inner_steps",
        "candidates",
        "scores",
        "calibration",
    }
    assert manifest.validation["scores"] == {"loss": manifest.validation["score"]}


def test_evaluation_json_holds_the_scores_before_and_after_and_per_step(finished, config):
    folder, _, result, _ = finished
    table = json.loads((folder / "evaluation.json").read_text())
    assert table == result.model_dump()
    chosen = table["protocol"]["inner_steps"]
    assert chosen in config.evaluation.inner_steps
    assert [row["inner_step"] for row in table["per_step"]] == [0, 1, 2, 3]
    assert table["before"] == table["per_step"][0]
    assert table["after"] == table["per_step"][chosen]
    for row in table["per_step"]:
        assert set(row) == {"inner_step", "loss", "loss_ci95", "loss_gain_ci95"}
        assert row["loss"] > 0
        assert row["loss_ci95"] > 0


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    """The only checkpoint that is kept must be one to continue from."""
    config = sinusoid(
        "task.amplitude=[10, 100]",
        "outer.optimizer=sgd",
        "outer.lr=3e38",
        "checkpoint.every=1",
        "checkpoint.keep=1",
    )
    run = start(config, tmp_path / "run")
    with pytest.raises(NonFiniteError):
        list(run.steps())
    run.close()
    state, _, problems = checkpoint.load_latest(Storage(str(tmp_path / "run")))
    assert problems == []
    assert all(np.isfinite(array).all() for array in state.theta)


def test_a_validation_that_fails_costs_no_step_but_its_own(finished, config, tmp_path, monkeypatch):
    folder, _, expected, theta_sha256 = finished
    run = start(config, tmp_path / "run")
    with monkeypatch.context() as patch:
        patch.setattr("orchestrator.run.training_run.validate", failing)
        with pytest.raises(PoolError):
            list(run.steps())
    assert run.save() == "ckpt-00000003"
    run.close()
    again = start(config, tmp_path / "run", resume=True)
    assert again.first_step == 3
    _, result = finish(again)
    assert again.theta_sha256 == theta_sha256
    assert result == expected
    assert steps_logged(tmp_path / "run") == steps_logged(folder)


def failing(*arguments):
    raise PoolError("nobody is left")


def test_a_run_whose_folder_is_taken_away_ends_at_its_next_checkpoint(config, tmp_path):
    run = start(config, tmp_path / "run")
    steps = run.steps()
    next(steps)
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(CheckpointError, match="no longer the run's folder"):
        exhaust(run, steps)
    run.close()


def exhaust(run, steps):
    list(steps)
    run.flush()


def test_saving_twice_at_one_step_writes_once(tmp_path, config):
    run = start(config, tmp_path / "run")
    next(run.steps())
    assert run.save() == "ckpt-00000001"
    assert run.save() == ""
    run.close()
