"""A run calibrates its predictions at each validation, and measures that on its test tasks."""

import json
from dataclasses import replace

import numpy as np
import pytest
from small_configs import navigation, sinusoid
from small_runs import in_process
from training_runs import ONE_BY_ONE, finish, start

from orchestrator.adaptation import artefact
from orchestrator.calibration.calibration import QueryOutputs, calibrate
from orchestrator.calibration.measured import measure
from orchestrator.evaluate import recipe_at, recipes, validate
from orchestrator.outer.blocks import held_out_blocks
from orchestrator.records.support_losses import read_support_losses
from orchestrator.reporting import coverage_lines
from orchestrator.run.best_checkpoint import evaluate_best
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from workers.losses.registry import loss_of
from workers.wire.protocol import Recipe

SETTINGS = ["evaluation.validation_tasks=12", "task.loss=gaussian_nll", "outer.steps=4"]


@pytest.fixture(scope="module")
def config():
    return sinusoid(*ONE_BY_ONE, *SETTINGS)


@pytest.fixture(scope="module")
def finished(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("calibrated") / "run"
    _, result = finish(start(config, folder))
    return folder, result


def _outputs(config, weights, split, number, rate):
    """Predict the queries of held-out tasks, apart from any evaluation."""
    launch = in_process(config)
    recipe = Recipe(rate, max(config.evaluation.inner_steps))
    blocks = held_out_blocks(config, launch.family, split, number, recipe, "predict")
    outputs = [answer.metrics["outputs"] for answer in launch.pool.run(weights, blocks)]
    targets = [launch.family.build(block.specs).query_targets for block in blocks]
    steps = list(config.evaluation.inner_steps)
    return QueryOutputs(steps, np.concatenate(outputs)[:, steps], np.concatenate(targets))


def test_the_calibration_is_that_of_the_validation_tasks(config, finished):
    folder, result = finished
    state, manifest = checkpoint.load(Storage(str(folder)), result.checkpoint)
    rate = manifest.validation["inner_lr"]
    queries = _outputs(config, state.weights, "validation", 12, rate)
    expected = calibrate(loss_of(in_process(config).family), rate, queries).model_dump()
    found = manifest.validation["calibration"]
    assert found.keys() == expected.keys()
    assert (found["gives"], found["tasks"]) == ("intervals", 12)
    assert found["by_inner_steps"].keys() == {"1", "3"}
    for steps, own in expected["by_inner_steps"].items():
        table = found["by_inner_steps"][steps]
        np.testing.assert_allclose(table["thresholds"], own["thresholds"], rtol=1e-5)
        np.testing.assert_allclose(table["doubts"], own["doubts"], rtol=1e-5, atol=1e-6)


def test_the_coverage_is_that_of_the_test_tasks(config, finished):
    folder, result = finished
    state, manifest = checkpoint.load(Storage(str(folder)), result.checkpoint)
    rate = manifest.validation["inner_lr"]
    loss = loss_of(in_process(config).family)
    queries = _outputs(config, state.weights, "test", 6, rate)
    validated = _outputs(config, state.weights, "validation", 12, rate)
    recipe = Recipe(rate, result.inner_steps)
    expected = measure(loss, calibrate(loss, rate, validated), recipe, queries, 0.9, 0.05)
    written = json.loads((folder / "evaluation.json").read_text())["calibration"]
    assert written.keys() == expected.keys()
    for name in ("coverage", "coverage_ci95", "interval_width", "unknown", "by_coverage"):
        np.testing.assert_allclose(written[name], expected[name], rtol=1e-5)
    assert written["coverage_asked"] == 0.9
    assert "12 validation tasks" in result.protocol["coverage_assumes"]


def test_support_losses_are_those_of_the_validation_tasks(config, finished):
    folder, result = finished
    state, _ = checkpoint.load(Storage(str(folder)), result.checkpoint)
    launch = in_process(config)
    recipe = Recipe(result.protocol["inner_lr"], result.inner_steps, on_support=True)
    blocks = held_out_blocks(config, launch.family, "validation", 12, recipe)
    answers = launch.pool.run(state.weights, blocks)
    losses = np.concatenate([answer.metrics["loss"] for answer in answers])[:, [0, -1]]
    kept = read_support_losses(Storage(str(folder)), result.theta_sha256)
    np.testing.assert_allclose(kept, losses, rtol=1e-6)
    assert artefact.load(str(folder)).support_losses == kept
    assert read_support_losses(Storage(str(folder)), "of other weights") == []


@pytest.mark.parametrize("content", [b"{", b"[]", b'{"theta_sha256": "a", "losses": [[1]]}'])
def test_damaged_support_losses_are_none(tmp_path, content):
    storage = Storage(str(tmp_path))
    storage.write("support_losses.json", content)
    assert read_support_losses(storage, "a") == []


def test_evaluated_again_it_reaches_the_same_and_another_coverage_is_another(config, finished):
    folder, result = finished
    storage, launch = Storage(str(folder)), in_process(config)
    again = evaluate_best(config, storage, launch)
    expected = result.calibration
    assert again.calibration == expected
    wide = sinusoid(*ONE_BY_ONE, *SETTINGS, "evaluation.coverage=0.6")
    narrow = evaluate_best(wide, storage, launch).calibration
    assert narrow["interval_width"] < expected["interval_width"]
    assert narrow["by_coverage"] == expected["by_coverage"]


def test_blocks_of_another_size_give_the_same_calibration(config, finished):
    folder, result = finished
    state, manifest = checkpoint.load(Storage(str(folder)), result.checkpoint)
    other = sinusoid("workers.block_size=5", "runtime.execution=map", *SETTINGS)
    launch = in_process(other)
    record = validate(other, launch.family, launch.pool, state.weights)
    assert record["calibration"] == manifest.validation["calibration"]


def test_of_several_rates_the_chosen_one_is_calibrated(config, finished):
    folder, result = finished
    state, _ = checkpoint.load(Storage(str(folder)), result.checkpoint)
    launch, rates = in_process(config), [1e-4, 0.05, 1e-3]

    def record(rates):
        own = sinusoid(*ONE_BY_ONE, *SETTINGS, f"evaluation.inner_lr={rates}")
        return validate(own, launch.family, launch.pool, state.weights)

    several = record(rates)
    assert several["inner_lr"] != rates[0]
    alone = record([several["inner_lr"]])
    assert several["calibration"] == alone["calibration"]
    assert several["calibration"]["inner_lr"] == several["inner_lr"]


def test_a_checkpoint_of_before_has_none(config, finished):
    """As one that an older version wrote: nothing is measured, and nothing else changes."""
    folder, result = finished
    launch = in_process(config)
    state, manifest = checkpoint.load(Storage(str(folder)), result.checkpoint)
    validation = {k: v for k, v in manifest.validation.items() if k != "calibration"}
    old = Storage(str(folder.parent / "old"))
    protocol = {k: v for k, v in manifest.protocol.items() if k != "coverage_assumes"}
    checkpoint.save(old, state, replace(manifest, validation=validation, protocol=protocol))
    again = evaluate_best(config, old, launch)
    assert again.calibration is None
    assert "coverage_assumes" not in again.protocol
    assert again.per_step == result.per_step
    assert coverage_lines.lines(again) == []


def test_policies_have_no_outputs_to_calibrate():
    config = navigation()
    assert [recipe.outputs_after for recipe in recipes(config)] == [()]
    assert recipe_at(sinusoid(), 0.1).outputs_after == (1, 3)


def test_the_lines_say_what_was_asked_and_what_is_reached(finished):
    _, result = finished
    table = result.calibration
    line, doubts = coverage_lines.lines(result)
    assert f"{100 * table['coverage']:.1f} ±" in line
    assert "90 % asked" in line
    assert f"{100 * table['unknown']:.1f} % of queries are called unknown (5 % asked)" == doubts
