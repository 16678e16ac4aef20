"""The scores of a run: how validation chooses, and what the test and its protocol say."""

import json
import shutil

import numpy as np
import pytest
from small_configs import images, sinusoid
from small_runs import in_process
from training_runs import ONE_BY_ONE, finish, start

from orchestrator.evaluate import evaluate, recipes, validate
from orchestrator.run.best_checkpoint import evaluate_best
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from workers.wire.errors import CheckpointError
from workers.wire.protocol import Recipe
from workers.wire.tensors import sha256


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
        (
            ["algorithm.multi_step=true", "algorithm.multi_step_until=9"],
            "MAML, second order, multi-step loss annealed over 9 outer steps",
        ),
        (
            ["algorithm.step_affine=true", "model.normalization=batch"],
            "MAML, second order, batch normalization's scale and offset for each inner step",
        ),
        (
            ["algorithm.second_order_after=9"],
            "MAML, first order for 9 outer steps, then second order",
        ),
    ],
)
def test_the_protocol_says_which_losses_were_learned_from(tmp_path, changes, method):
    config = sinusoid("outer.steps=1", "algorithm.inner_steps=2", *ONE_BY_ONE, *changes)
    run = TrainingRun(config, Storage(str(tmp_path)), in_process(config), None)
    list(run.steps())
    assert run.test().protocol["method"] == method
    run.close()


@pytest.mark.parametrize("learned", ["algorithm.kind=meta_sgd", "algorithm.layer_rates=true"])
def test_learned_rates_are_no_choice_of_validation(learned):
    several = sinusoid("evaluation.inner_lr=[0.1, 0.2]")
    assert [recipe.inner_lr for recipe in recipes(several)] == [0.1, 0.2]
    config = sinusoid("evaluation.inner_lr=[0.1, 0.2]", learned)
    assert [recipe.inner_lr for recipe in recipes(config)] == [config.algorithm.inner_lr]


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
    """A choice made on test tasks would flatter the test."""
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
