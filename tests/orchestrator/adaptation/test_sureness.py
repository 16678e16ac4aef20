"""Sets, intervals and unknown for a user's own examples."""

import pickle

import numpy as np
import pytest
from adapted_learners import adapted_to_a_test_task, learner_of
from small_configs import ONE_BY_ONE, images, sinusoid
from small_learners import FIRST_ORDER, episode_of, run_of

from orchestrator.adaptation import artefact
from orchestrator.calibration.quantiles import threshold
from orchestrator.calibration.temperature import softmax
from orchestrator.cli.export_command import export_run
from orchestrator.learner import Learner

pytestmark = pytest.mark.usefixtures("shared_runners")

TASKS = "evaluation.validation_tasks=40"


def gaussian():
    return sinusoid(*ONE_BY_ONE, "runtime.execution=map", TASKS, "task.loss=gaussian_nll")


@pytest.fixture
def pictures(image_zip, image_cache):
    return images(image_zip, image_cache, *ONE_BY_ONE, FIRST_ORDER, TASKS)


def test_an_interval_is_the_threshold_times_the_deviation_around_the_value():
    predictor, inputs, _ = adapted_to_a_test_task(gaussian())
    source = artefact.load(str(run_of(gaussian())))
    own = source.calibration.at(source.recipe)
    value, deviation = predictor.predict(inputs), predictor.predict_deviation(inputs)
    for asked, coverage in ((None, 0.9), (0.6, 0.6)):
        half = threshold(own.thresholds[0], coverage) * deviation
        ends = predictor.predict_interval(inputs, asked)
        np.testing.assert_allclose(ends, np.stack([value - half, value + half], -1), rtol=1e-5)
    logs = np.log(deviation).mean(-1)
    for asked, level in ((None, 0.95), (0.4, 0.6)):
        expected = logs > threshold(own.doubts, level)
        np.testing.assert_array_equal(predictor.is_unknown(inputs, asked), expected)


def test_predictions_by_another_recipe_have_nothing_that_was_calibrated_for_the_runs_own():
    _, inputs, _ = adapted_to_a_test_task(gaussian())
    support_x, support_y, *_ = episode_of(gaussian())
    learner = learner_of(gaussian())
    own = learner.adapt(support_x, support_y).predictions(inputs).sureness
    assert own.intervals is not None
    for other in ({"inner_lr": learner.recipe.inner_lr / 2}, {"inner_steps": 7}):
        predictor = learner.adapt(support_x, support_y, **other)
        assert predictor.predictions(inputs).sureness is None


def test_a_set_holds_the_classes_that_are_probable_enough(pictures):
    predictor, inputs, _ = adapted_to_a_test_task(pictures)
    source = artefact.load(str(run_of(pictures)))
    own = source.calibration.at(source.recipe)
    logs = np.log(predictor.predict_proba(inputs).astype(np.float64))
    p = softmax(logs, own.temperature)
    for coverage in (0.5, 0.9):
        least = 1 - threshold(own.thresholds[0], coverage)
        expected = [predictor.classes[row >= least].tolist() for row in p]
        assert [held.tolist() for held in predictor.predict_set(inputs, coverage)] == expected
    unknown = 1 - p.max(-1) > threshold(own.doubts, 0.95)
    assert predictor.is_unknown(inputs).tolist() == unknown.tolist()
    with pytest.raises(ValueError, match="classes have no intervals; use predict_set"):
        predictor.predict_interval(inputs)


def test_other_statistics_than_those_of_the_evaluation_are_not_calibrated(pictures):
    support_x, support_y, query_x, _ = episode_of(pictures)
    predictor = learner_of(pictures).adapt(support_x, support_y)  # each query with the support set
    with pytest.raises(ValueError, match=r"normalized together.*use --statistics batch"):
        predictor.predict_set(query_x)
    with pytest.raises(ValueError, match="known for none but the recipe and statistics"):
        predictor.likeness()


def test_an_exported_file_and_a_pickle_have_them_too(tmp_path):
    config = gaussian()
    predictor, inputs, _ = adapted_to_a_test_task(config)
    export_run(str(run_of(config)), tmp_path / "a.metatrain")
    support_x, support_y, _, _ = episode_of(config)
    other = Learner.load(tmp_path / "a.metatrain").adapt(support_x, support_y)
    expected = predictor.predict_interval(inputs)
    assert other.predict_interval(inputs).tolist() == expected.tolist()
    again = pickle.loads(pickle.dumps(other))
    assert again.predict_interval(inputs).tolist() == expected.tolist()


def test_what_cannot_be_given_is_refused_in_a_line():
    config = gaussian()
    support_x, support_y, query_x, _ = episode_of(config)
    learner = learner_of(config)
    predictor = learner.adapt(support_x, support_y)
    with pytest.raises(ValueError, match="no sets of classes; use predict_interval"):
        predictor.predict_set(query_x)
    with pytest.raises(ValueError, match=r"coverage = 1\.5: give the share"):
        predictor.predict_interval(query_x, 1.5)
    with pytest.raises(ValueError, match=r"false_alarms = 0: give a share"):
        predictor.is_unknown(query_x, 0)
    with pytest.raises(ValueError, match=r"after 7 inner steps .* are not calibrated"):
        learner.adapt(support_x, support_y, inner_steps=7).predict_interval(query_x)
    with pytest.raises(ValueError, match="known for none but the recipe"):
        predictor.likeness()  # the run was not tested
    plain = sinusoid(*ONE_BY_ONE, "runtime.execution=map")
    with pytest.raises(ValueError, match="does not say how sure it is"):
        learner_of(plain).adapt(support_x, support_y).is_unknown(query_x)


def test_runs_of_before_say_that_they_have_none(monkeypatch):
    monkeypatch.setattr(artefact, "read_calibration", lambda table: None)
    support_x, support_y, query_x, _ = episode_of(gaussian())
    predictor = learner_of(gaussian()).adapt(support_x, support_y)
    with pytest.raises(ValueError, match="has no calibration, as runs and files of older versions"):
        predictor.predict_interval(query_x)


def test_a_task_is_compared_with_the_validation_tasks():
    config = gaussian()
    support_x, support_y, _, _ = episode_of(config)
    source = artefact.load(str(run_of(config)))
    others = [[0.5 + i / 100, 0.3 + i / 100] for i in range(120)]
    learner = Learner(artefact.replace(source, support_losses=others))
    assert learner.adapt(support_x, 1000 * support_y).likeness() == 1 / 121
    usual = learner.adapt(support_x, support_y)
    losses = usual.likeness()
    assert 1 / 121 <= losses <= 1
