import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from small_configs import REPTILE_ADAM, images, sinusoid
from small_runs import in_process

from orchestrator.config.schema import load
from orchestrator.evaluate import evaluate, validate
from orchestrator.records.metrics_log import read_metrics
from orchestrator.run.best_checkpoint import evaluate_best
from orchestrator.run.resume import find_state
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from workers.wire.errors import CheckpointError, NonFiniteError, PoolError
from workers.wire.protocol import Recipe
from workers.wire.tensors import sha256

# Each kind of block is traced for one shape, and as it is written.
ONE_BY_ONE = ["workers.block_size=1", "runtime.execution=map"]


def start(config, folder, resume=False):
    storage = Storage(str(folder))
    state, _, notes = find_state(config, storage, resume, allow_changes=False)
    assert notes == []
    return TrainingRun(config, storage, in_process(config), state)


def finish(run):
    """All steps and the test, as `metatrain train` does."""
    progress = list(run.steps())
    result = run.test()
    run.close()
    return progress, result


@pytest.fixture(scope="module")
def config():
    return sinusoid()


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    """The folder, the steps and the result of an undisturbed run. Not to be written to."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    run = start(config, folder)
    progress, result = finish(run)
    return folder, progress, result, run.theta_sha256


def steps_logged(folder):
    return [row["step"] for row in read_metrics(Storage(str(folder)))]


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


def test_the_scores_are_the_mean_over_tasks_and_1_96_standard_errors(finished, config):
    folder, _, result, _ = finished
    launch = in_process(config)
    state, _ = checkpoint.load(Storage(str(folder)), result.checkpoint)
    recipe = Recipe(result.protocol["inner_lr"], 3)
    from orchestrator.outer.blocks import held_out_blocks

    blocks = held_out_blocks(config, launch.family, "test", config.evaluation.tasks, recipe)
    answers = launch.pool.run(state.weights, blocks)
    losses = np.concatenate([answer.metrics["loss"] for answer in answers]).astype(np.float64)
    assert losses.shape == (6, 4)
    for row, values in zip(result.per_step, losses.T, strict=True):
        assert row["loss"] == pytest.approx(values.mean(), rel=1e-12)
        error = values.std(ddof=1) / np.sqrt(6)
        assert row["loss_ci95"] == pytest.approx(1.96 * error, rel=1e-12)
        error = (values - losses[:, 0]).std(ddof=1) / np.sqrt(6)
        assert row["loss_gain_ci95"] == pytest.approx(1.96 * error, rel=1e-12)
    assert result.gain == (
        result.before["loss"] - result.after["loss"],
        result.after["loss_gain_ci95"],
    )


def test_the_protocol_stands_beside_the_numbers(finished, config):
    folder, *_ = finished
    protocol = json.loads((folder / "evaluation.json").read_text())["protocol"]
    assert protocol["method"] == "MAML, second order"
    assert (protocol["shots"], protocol["queries"]) == (5, 5)
    assert protocol["inner_steps_in_training"] == 1
    assert protocol["inner_loss"] == "mean"
    assert protocol["normalization"] == "none (inductive)"
    assert protocol["transductive"] is False
    assert (protocol["test_tasks"], protocol["evaluation_seed"], protocol["seed"]) == (6, 1, 0)
    assert "5 validation tasks" in protocol["chosen_on"]
    assert "95 %" in protocol["interval"]
    assert "ways" not in protocol


@pytest.mark.parametrize(
    ("changes", "method"),
    [
        (["algorithm.multi_step=true"], "MAML, second order, multi-step loss"),
        (["algorithm.first_order=true", "algorithm.multi_step=true"], "FOMAML, multi-step loss"),
    ],
)
def test_the_protocol_says_which_losses_were_learned_from(tmp_path, changes, method):
    config = sinusoid("outer.steps=1", "algorithm.inner_steps=2", *ONE_BY_ONE, *changes)
    run = TrainingRun(config, Storage(str(tmp_path)), in_process(config), None)
    list(run.steps())
    assert run.test().protocol["method"] == method
    run.close()


def test_the_protocol_of_images_names_ways_split_and_batch_norm(tmp_path, image_zip, image_cache):
    config = images(
        image_zip,
        image_cache,
        "outer.steps=1",
        "model.kind=linear",
        "model.normalization=batch",
        "algorithm.inner_loss=sum_over_shots",
        "algorithm.first_order=true",
        "task.rotations=train",
        "evaluation.shots=2",
        "evaluation.queries=3",
        "evaluation.seed=7",
        "seed=3",
        *ONE_BY_ONE,
    )
    _, result = finish(start(config, tmp_path / "run"))
    protocol = result.protocol
    assert protocol["method"] == "FOMAML"
    assert (protocol["ways"], protocol["shots"], protocol["queries"]) == (3, 2, 3)
    assert (protocol["shots_in_training"], protocol["queries_in_training"]) == (1, 1)
    assert protocol["inner_loss"] == "sum_over_shots"
    assert protocol["transductive"] is True
    assert "transductive" in protocol["normalization"]
    assert (protocol["evaluation_seed"], protocol["seed"]) == (7, 3)
    assert len(protocol["split_hash"]) == len(protocol["data_digest"]) == 64
    assert protocol["tasks_from"] == "small.zip"
    assert (protocol["classes"], protocol["rotated"]) == (4, False)
    for row in result.per_step:
        names = {
            f"{name}{of}" for name in ("loss", "accuracy") for of in ("", "_ci95", "_gain_ci95")
        }
        assert set(row) == {"inner_step", *names}
        assert 0 <= row["accuracy"] <= 1


def test_beside_transductive_scores_stand_those_of_queries_alone(tmp_path, image_zip, image_cache):
    model = ["model.kind=linear", "model.normalization=batch", "algorithm.first_order=true"]
    changes = ["outer.steps=2", *model, *ONE_BY_ONE]
    config = images(image_zip, image_cache, *changes, "evaluation.inner_steps=[1,2]")
    _, result = finish(start(config, tmp_path / "run"))
    alone = result.queries_alone
    other = images(image_zip, image_cache, *changes, "model.statistics=support")
    inductive = evaluate_best(other, Storage(str(tmp_path / "run")), in_process(other))
    assert alone["normalization"] == inductive.protocol["normalization"]
    chosen = inductive.per_step[result.inner_steps]
    assert {name: alone[name] for name in chosen} == pytest.approx(chosen, abs=1e-6)
    assert alone["loss"] != pytest.approx(result.after["loss"], abs=1e-6)
    assert inductive.queries_alone is None


def test_the_tested_checkpoint_is_the_best_validated_one(tmp_path):
    """A rate at which training makes things worse, so that the first validation is the best."""
    config = sinusoid("outer.lr=1.0", "checkpoint.keep=1", "outer.steps=20")
    progress, result = finish(start(config, tmp_path / "run"))
    scores = {p.report.step: p.validation["score"] for p in progress if p.validation}
    best = min(scores, key=scores.get)
    assert best < 20
    assert result.checkpoint == f"ckpt-{best:08d}"
    state, _ = checkpoint.load(Storage(str(tmp_path / "run")), result.checkpoint)
    assert result.theta_sha256 == sha256(state.theta)
    names = checkpoint.names(Storage(str(tmp_path / "run")))
    assert names == [result.checkpoint, "ckpt-00000020"]


def test_the_validation_chooses_rate_and_steps_and_the_test_uses_them(tmp_path):
    overrides = ["evaluation.inner_lr=[0.2, 0.001]", "evaluation.inner_steps=[1, 5]"]
    config = sinusoid("algorithm.kind=joint", "outer.steps=8", *overrides)
    progress, result = finish(start(config, tmp_path / "run"))
    validation = next(p.validation for p in progress if p.saved == result.checkpoint)
    tried = [(c["inner_lr"], c["inner_steps"]) for c in validation["candidates"]]
    assert tried == [(0.2, 1), (0.2, 5), (0.001, 1), (0.001, 5)]
    best = min(validation["candidates"], key=lambda candidate: candidate["score"])
    assert best != validation["candidates"][0]  # else this test could not fail
    assert validation["score"] == best["score"]
    assert validation["inner_lr"] == result.protocol["inner_lr"] == best["inner_lr"]
    assert validation["inner_steps"] == result.protocol["inner_steps"] == best["inner_steps"]
    assert result.after["inner_step"] == best["inner_steps"]
    assert result.protocol["method"] == "joint training + fine-tuning"
    assert result.protocol["inner_steps_in_training"] == 0


def test_the_validation_sees_the_validation_tasks_alone(config):
    """What is chosen on test tasks would flatter the test."""
    launch = in_process(config)
    weights = launch.initial_state().weights
    validation = validate(config, launch.family, launch.pool, weights)
    recipe = Recipe(validation["inner_lr"], 3)
    scores = evaluate(config, launch.family, launch.pool, weights, "validation", recipe)
    assert validation["score"] == scores[validation["inner_steps"]]["loss"]


def test_a_rate_that_explodes_is_not_chosen(config):
    launch = in_process(sinusoid("evaluation.inner_lr=[1e30, 0.01]"))
    weights = launch.initial_state().weights
    validation = validate(launch.config, launch.family, launch.pool, weights)
    assert validation["inner_lr"] == 0.01
    assert np.isfinite(validation["score"])


def test_validation_and_test_tasks_are_different_and_the_same_each_time(config):
    launch = in_process(config)
    weights = launch.initial_state().weights

    def scores(split):
        return evaluate(config, launch.family, launch.pool, weights, split, Recipe(0.01, 1))

    assert scores("test") == scores("test")
    assert scores("validation") == scores("validation")
    assert scores("test") != scores("validation")


@pytest.mark.parametrize("stop_at", [3, 4, 9])
def test_a_run_that_is_left_and_resumed_is_the_undisturbed_run(finished, config, tmp_path, stop_at):
    folder, _, expected, theta_sha256 = finished
    run = start(config, tmp_path / "run")
    for progress in run.steps():
        if progress.report.step == stop_at:
            break
    run.save()
    run.flush()
    assert run.saved_step == stop_at
    run.close()
    again = start(config, tmp_path / "run", resume=True)
    assert again.first_step == stop_at
    _, result = finish(again)
    assert again.theta_sha256 == theta_sha256
    assert result == expected
    assert steps_logged(tmp_path / "run") == steps_logged(folder)


def test_a_run_that_crashes_goes_on_from_its_last_checkpoint(finished, config, tmp_path):
    _, _, expected, theta_sha256 = finished
    run = start(config, tmp_path / "run")
    for progress in run.steps():
        if progress.report.step == 7:
            break
    run.close()  # nothing is saved
    again = start(config, tmp_path / "run", resume=True)
    assert again.first_step == 4
    _, result = finish(again)
    assert (again.theta_sha256, result) == (theta_sha256, expected)
    assert steps_logged(tmp_path / "run") == list(range(1, 13))


def test_a_run_whose_newest_checkpoint_is_damaged_says_so_and_ends_the_same(
    finished, config, tmp_path
):
    folder, _, expected, theta_sha256 = finished
    shutil.copytree(folder, tmp_path / "run")
    newest = tmp_path / "run" / "checkpoints" / "ckpt-00000012"
    (newest / "theta.arrow").write_bytes(b"not this")
    storage = Storage(str(tmp_path / "run"))
    state, _, notes = find_state(config, storage, True, False)
    assert state.step == 8
    assert len(notes) == 1
    assert "ckpt-00000012/theta.arrow" in notes[0]
    run = TrainingRun(config, storage, in_process(config), state)
    _, result = finish(run)
    assert (run.theta_sha256, result) == (theta_sha256, expected)


def test_weights_that_are_not_finite_are_never_saved(tmp_path):
    """The only checkpoint kept must be one to go on from."""
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
    with pytest.raises(CheckpointError, match="not the run's folder any more"):
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


def test_a_run_may_be_tested_only_after_a_validation(tmp_path, config):
    run = start(config, tmp_path / "run")
    with pytest.raises(CheckpointError, match="no step of the run has reached a validation"):
        run.test()
    run.close()


def test_a_run_whose_checkpoints_are_all_damaged_is_not_called_unvalidated(
    finished, config, tmp_path
):
    shutil.copytree(finished[0], tmp_path / "run")
    for file in (tmp_path / "run").rglob("theta.arrow"):
        file.write_bytes(b"not this")
    storage = Storage(str(tmp_path / "run"))
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* verifies: .*theta\.arrow"):
        evaluate_best(config, storage, in_process(config))


def test_another_evaluation_chooses_again(finished, config):
    folder, *_ = finished
    other = sinusoid("evaluation.inner_steps=[2]", "evaluation.tasks=4")
    storage = Storage(str(folder))
    result = evaluate_best(other, storage, in_process(other), choose_again=True)
    assert (result.protocol["inner_steps"], result.protocol["test_tasks"]) == (2, 4)
    assert len(result.per_step) == 3


def test_an_empty_folder_starts_and_a_resume_says_that_it_does(tmp_path, config):
    storage = Storage(str(tmp_path / "nothing"))
    assert find_state(config, storage, False, False) == (None, {}, [])
    state, fingerprint, notes = find_state(config, storage, True, False)
    assert (state, fingerprint) == (None, {})
    assert notes == [f"{storage.location} holds nothing to resume: starting afresh"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_holds_a_run_is_refused_without_resume(finished, config):
    folder, *_ = finished
    with pytest.raises(ValueError, match="already holds a run; give another --out, or --resume"):
        find_state(config, Storage(str(folder)), False, False)


def test_a_run_that_has_lost_its_checkpoints_is_not_resumed(finished, tmp_path, config):
    shutil.copytree(finished[0], tmp_path, dirs_exist_ok=True)
    shutil.rmtree(tmp_path / "checkpoints")
    with pytest.raises(ValueError, match="without a checkpoint"):
        find_state(config, Storage(str(tmp_path)), True, False)


def test_a_run_that_was_killed_before_its_first_checkpoint_starts_afresh(
    finished, tmp_path, config
):
    """Nothing is lost; what is left of it is in nobody's way."""
    left = tmp_path / "run" / "checkpoints" / "ckpt-00000000"
    left.mkdir(parents=True)
    (left / "theta.arrow").write_bytes(b"half")
    (tmp_path / "run" / "config.toml").write_bytes(b"")
    (tmp_path / "run" / "metrics.jsonl").write_bytes(b"")
    storage = Storage(str(tmp_path / "run"))
    state, _, notes = find_state(config, storage, True, False)
    assert (state, notes) == (
        None,
        [f"{storage.location} holds nothing to resume: starting afresh"],
    )
    run = TrainingRun(config, storage, in_process(config), None)
    _, result = finish(run)
    assert (run.theta_sha256, result) == (finished[3], finished[2])
    assert steps_logged(tmp_path / "run") == list(range(1, 13))
    assert load(str(tmp_path / "run" / "config.toml"))[0] == config


def test_the_newest_checkpoint_is_what_is_resumed(finished, config):
    folder, _, _, theta_sha256 = finished
    state, fingerprint, notes = find_state(config, Storage(str(folder)), True, False)
    assert (state.step, sha256(state.theta), notes) == (12, theta_sha256, [])
    assert fingerprint["threads"] == [1, 1]


@pytest.mark.parametrize(
    ("overrides", "differing"),
    [
        (["outer.lr=0.02"], ["outer.lr = 0.01 there, 0.02 now"]),
        (["seed=1"], ["seed = 0 there, 1 now"]),
        (["outer.final_lr=0.001"], ["outer.final_lr = 0.0 there, 0.001 now"]),
        (["workers.block_size=3"], ["workers.block_size = 2 there, 3 now"]),
        (["runtime.xla=true"], ["runtime.xla = False there, True now"]),
        (["outer.clip_norm=1.0"], ["outer.clip_norm = None there, 1.0 now"]),
        (
            ["outer.schedule=linear"],
            ["outer.schedule = 'constant' there, 'linear' now", "outer.steps"],
        ),
        (
            REPTILE_ADAM[:1],
            ["algorithm.kind = 'maml' there, 'reptile' now", "algorithm.first_order = False there"],
        ),
    ],
    ids=lambda x: " ".join(x)[:30],
)
def test_a_change_of_the_numbers_is_refused_naming_the_key_and_both_values(
    finished, overrides, differing
):
    folder, *_ = finished
    changed = sinusoid(*overrides)
    with pytest.raises(ValueError, match="--allow-changes") as refused:
        find_state(changed, Storage(str(folder)), True, False)
    state, _, notes = find_state(changed, Storage(str(folder)), True, True)
    assert state.step == 12
    assert len(notes) == 1
    for message in (str(refused.value), notes[0]):
        assert "\n" not in message
        for part in differing:
            assert part in message


@pytest.mark.parametrize(
    "override",
    ["outer.steps=30", "workers.count=3", "checkpoint.every=1", "evaluation.tasks=9", "name=other"],
)
def test_what_leaves_the_numbers_as_they_are_may_change(finished, override):
    folder, *_ = finished
    state, _, notes = find_state(sinusoid(override), Storage(str(folder)), True, False)
    assert (state.step, notes) == (12, [])


def test_a_checkpoint_from_before_a_setting_existed_was_made_by_its_default(config, tmp_path):
    """Written by an older version, that had nothing to say of it."""
    run = start(config, tmp_path / "run")
    run.close()
    storage = Storage(str(tmp_path / "run"))
    state, manifest = checkpoint.load(storage, "ckpt-00000000")
    older = {key: v for key, v in manifest.bits.items() if key != "runtime.non_finite"}
    table = {**manifest.config, "runtime": {"xla": False}}
    checkpoint.save(storage, state, replace(manifest, bits=older, config=table))
    assert find_state(config, storage, True, False)[0].step == 0
    skipping = sinusoid("runtime.non_finite=skip")
    with pytest.raises(ValueError, match=r"runtime\.non_finite = 'fail' there, 'skip' now"):
        find_state(skipping, storage, True, False)


def test_the_steps_may_not_grow_where_the_schedule_depends_on_them(tmp_path):
    config = sinusoid("outer.schedule=linear", "outer.steps=2")
    finish(start(config, tmp_path / "run"))
    longer = sinusoid("outer.schedule=linear", "outer.steps=4")
    with pytest.raises(ValueError, match=r"outer\.steps = 2 there, 4 now"):
        find_state(longer, Storage(str(tmp_path / "run")), True, False)


def test_a_run_that_grows_is_the_longer_run(finished, tmp_path):
    *_, theta_sha256 = finished
    finish(start(sinusoid("outer.steps=5"), tmp_path / "run"))
    run = start(sinusoid(), tmp_path / "run", resume=True)
    finish(run)
    assert run.first_step == 5
    assert run.theta_sha256 == theta_sha256


@pytest.mark.parametrize(
    "override", ["outer.schedule=linear", "outer.optimizer=sgd", "outer.lr=0.5", "outer.steps=14"]
)
def test_a_change_that_is_insisted_on_is_trained_with(finished, tmp_path, override):
    folder, *_ = finished
    shutil.copytree(folder, tmp_path / "run")
    storage = Storage(str(tmp_path / "run"))
    changed = sinusoid("outer.steps=14", override)
    state, *_ = find_state(changed, storage, resume=True, allow_changes=True)
    run = TrainingRun(changed, storage, in_process(changed), state)
    progress, _ = finish(run)
    assert [p.report.step for p in progress] == [13, 14]


def test_weights_of_another_shape_are_refused_though_insisted_on(finished, tmp_path):
    """And the folder still is that of the run that can be resumed."""
    folder, *_ = finished
    shutil.copytree(folder, tmp_path / "run")
    storage = Storage(str(tmp_path / "run"))
    changed = sinusoid("outer.steps=14", "model.hidden=[9]")
    with pytest.raises(ValueError, match=r"model\.hidden") as refused:
        list(resume_anyhow(changed, storage).steps())
    assert "\n" not in str(refused.value)
    assert (tmp_path / "run" / "config.toml").read_bytes() == (folder / "config.toml").read_bytes()


def resume_anyhow(config, storage):
    state, *_ = find_state(config, storage, resume=True, allow_changes=True)
    return TrainingRun(config, storage, in_process(config), state)


def test_a_run_is_not_resumed_with_fewer_steps_than_it_has(finished):
    """Else the theta of step 12 would be printed and tested as that of step 5."""
    folder, *_ = finished
    with pytest.raises(ValueError, match=r"outer\.steps = 5.*12"):
        find_state(sinusoid("outer.steps=5"), Storage(str(folder)), True, False)
