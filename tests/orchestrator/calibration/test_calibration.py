"""A calibration and what it reaches, computed again from its definition."""

import json

import numpy as np
import pytest

from orchestrator.calibration.calibration import (
    Calibration,
    QueryOutputs,
    calibrate,
    read_calibration,
)
from orchestrator.calibration.measured import measure
from orchestrator.calibration.quantiles import LEVELS, conformal_quantiles, threshold
from orchestrator.calibration.temperature import softmax
from orchestrator.calibration.uncertainty import uncertainty_of
from workers.losses.registry import make_loss
from workers.wire.protocol import Recipe

CLASSES, MSE, GAUSSIAN = map(make_loss, ("cross_entropy", "mse", "gaussian_nll"))
RECIPE = Recipe(0.1, 3)


def _classes(seed, tasks=30, queries=8, factor=2.0):
    """Logits that are too sure by `factor`, after 1 and 3 inner steps."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(tasks, queries, 4))
    targets = np.array([[rng.choice(4, p=p) for p in task] for task in softmax(logits)])
    outputs = np.stack([logits, factor * logits], axis=1).astype(np.float32)
    return QueryOutputs((1, 3), outputs, targets.astype(np.int32))


def _numbers(seed, tasks=30, queries=8):
    """Means and log deviations of two numbers, the second of which is ten times as wide."""
    rng = np.random.default_rng(seed)
    logs = rng.normal(size=(tasks, queries, 2))
    targets = rng.normal(size=logs.shape) * np.exp(logs) * [1, 10]
    outputs = np.concatenate([np.zeros_like(logs), logs], axis=-1)[:, None]
    return QueryOutputs((3,), outputs.astype(np.float32), targets.astype(np.float32))


def test_thresholds_are_quantiles_of_one_minus_the_probability_of_the_true_class():
    queries = _classes(0, tasks=2000, queries=2)
    calibration = calibrate(CLASSES, 0.1, queries)
    own = calibration.at(RECIPE)
    assert (calibration.gives, calibration.tasks) == ("sets", 2000)
    assert own.temperature == pytest.approx(2.0, rel=0.1)
    p = softmax(queries.after(3), own.temperature)
    true = np.take_along_axis(p, queries.targets[..., None], -1)[..., 0]
    assert own.thresholds == [conformal_quantiles(1 - true).tolist()]
    assert own.doubts == conformal_quantiles(1 - p.max(-1)).tolist()
    assert calibration.at(Recipe(0.1, 1)).temperature == pytest.approx(1.0, rel=0.1)


def test_sets_hold_the_classes_that_are_probable_enough():
    own = calibrate(CLASSES, 0.1, _classes(0)).at(RECIPE)
    outputs = np.log([[0.9, 0.06, 0.03, 0.01], [0.3, 0.3, 0.2, 0.2]]) * own.temperature
    sure = uncertainty_of(CLASSES, own, outputs, 0.8, 0.2)
    limit = threshold(own.thresholds[0], 0.8)
    least = 1 - limit
    assert sure.sets.tolist() == [
        [p >= least for p in (0.9, 0.06, 0.03, 0.01)],
        [p >= least for p in (0.3, 0.3, 0.2, 0.2)],
    ]
    assert sure.sets[0].any()
    assert sure.half_widths is None
    assert sure.unknown.tolist() == [False, threshold(own.doubts, 0.8) < 0.7]


def test_intervals_are_in_units_of_the_predicted_deviation_of_each_number():
    queries = _numbers(0)
    own = calibrate(GAUSSIAN, 0.1, queries).at(RECIPE)
    assert own.temperature is None
    deviations = np.exp(queries.outputs[:, 0, :, 2:].astype(np.float64))
    for number, table in enumerate(own.thresholds):
        errors = np.abs(queries.targets[..., number]) / deviations[..., number]
        kept = conformal_quantiles(errors)
        assert table == pytest.approx(kept[np.isfinite(kept)].tolist())
    sure = uncertainty_of(GAUSSIAN, own, np.array([[7.0, 7.0, 0.0, 1.0]]), 0.9, 0.05)
    limits = [threshold(table, 0.9) for table in own.thresholds]
    np.testing.assert_allclose(sure.half_widths, [[limits[0], limits[1] * np.e]])
    assert limits[1] > 5 * limits[0]


def test_without_deviations_all_intervals_are_as_wide_and_nothing_is_unknown():
    queries = _numbers(0)
    own = calibrate(MSE, 0.1, queries._replace(outputs=queries.outputs[..., :2])).at(RECIPE)
    sure = uncertainty_of(MSE, own, np.array([[7.0, 7.0], [0.0, 1.0]]), 0.9, 0.05)
    assert sure.half_widths[0].tolist() == sure.half_widths[1].tolist()
    assert sure.unknown is None
    assert own.doubts == []


@pytest.mark.parametrize(("loss", "made"), [(CLASSES, _classes), (GAUSSIAN, _numbers)])
def test_padding_counts_for_nothing(loss, made):
    queries = made(0)
    mark = -1 if loss is CLASSES else np.nan
    more = np.full_like(queries.targets, mark)
    padded = queries._replace(
        outputs=np.concatenate([queries.outputs, queries.outputs * np.nan], axis=2),
        targets=np.concatenate([queries.targets, more], axis=1),
    )
    with np.errstate(invalid="ignore"):
        calibration = calibrate(loss, 0.1, padded)
        assert calibration == calibrate(loss, 0.1, queries)
        found = measure(loss, calibration, RECIPE, padded, 0.8, 0.1)
    expected = measure(loss, calibration, RECIPE, queries, 0.8, 0.1)
    assert json.dumps(found) == json.dumps(expected)


def test_inner_steps_that_diverge_are_not_calibrated():
    queries = _classes(0)
    queries.outputs[3, 1, 2, 0] = np.nan
    calibration = calibrate(CLASSES, 0.1, queries)
    assert list(calibration.by_inner_steps) == ["1"]
    with pytest.raises(ValueError, match=r"after 3 inner steps .* not calibrated: .* after 1 at"):
        calibration.at(RECIPE)
    with pytest.raises(ValueError, match=r"at the rate 0\.2 are not calibrated"):
        calibration.at(Recipe(0.2, 1))


def test_few_tasks_give_short_tables_and_sets_of_all_classes():
    own = calibrate(CLASSES, 0.1, _classes(0, tasks=5)).at(RECIPE)
    assert len(own.thresholds[0]) == sum(level <= 5 / 6 for level in LEVELS)
    sure = uncertainty_of(CLASSES, own, np.array([[9.0, 0.0, 0.0, 0.0]]), 0.9, 0.05)
    assert sure.sets.all()


def test_labels_tokens_and_actions_have_none():
    for name in ("binary_cross_entropy", "next_token"):
        assert calibrate(make_loss(name), 0.1, _classes(0)) is None


def test_what_is_measured_is_what_sets_reach():
    calibration = calibrate(CLASSES, 0.1, _classes(0, tasks=400))
    queries = _classes(1, tasks=50)
    found = measure(CLASSES, calibration, RECIPE, queries, 0.8, 0.1)
    own = calibration.at(RECIPE)
    sure = uncertainty_of(CLASSES, own, queries.after(3), 0.8, 0.1)
    held = np.take_along_axis(sure.sets, queries.targets[..., None], -1)[..., 0]
    by_task = held.mean(-1)
    assert found["coverage"] == pytest.approx(by_task.mean())
    assert found["coverage_ci95"] == pytest.approx(1.96 * by_task.std(ddof=1) / np.sqrt(50))
    assert found["set_size"] == pytest.approx(sure.sets.sum(-1).mean())
    assert found["empty_sets"] == pytest.approx((sure.sets.sum(-1) == 0).mean())
    assert found["unknown"] == pytest.approx(sure.unknown.mean())
    assert found["ece_after"] < 0.1 < found["ece_before"]
    asked, reached = np.array(found["by_coverage"]).T
    assert reached[asked == 0.8] == pytest.approx(found["coverage"])
    np.testing.assert_allclose(reached, asked, atol=0.08)


def test_the_mean_width_is_measured_in_units_of_the_model():
    calibration = calibrate(MSE, 0.1, _numbers(0)._replace(outputs=np.zeros((30, 1, 8, 2))))
    found = measure(MSE, calibration, RECIPE, _zeros(), 0.9, 0.05)
    limits = [threshold(table, 0.9) for table in calibration.at(RECIPE).thresholds]
    assert found["interval_width"] == pytest.approx(2 * np.mean(limits))
    assert (found["coverage"], found["unknown"]) == (1.0, None)


def _zeros():
    return QueryOutputs((3,), np.zeros((6, 1, 4, 2)), np.zeros((6, 4, 2), np.float32))


def test_nothing_is_measured_with_a_recipe_that_is_not_calibrated():
    calibration = calibrate(MSE, 0.1, _zeros())
    assert measure(MSE, calibration, Recipe(0.2, 3), _zeros(), 0.9, 0.05) is None


def test_json_keeps_it_and_what_is_none_is_none():
    calibration = calibrate(CLASSES, 0.1, _classes(0))
    table = json.loads(json.dumps(calibration.model_dump()))
    assert read_calibration(table) == calibration
    assert isinstance(calibration, Calibration)
    for other in (None, {}, {"gives": "sets"}):
        assert read_calibration(other) is None
