"""Pickled predictors: they name no module that may move, and answer the same."""

import io
import pickle

import numpy as np
import pytest
import small_voices
from small_artefacts import linear
from small_configs import ONE_BY_ONE, USER_MODEL, images, sinusoid
from small_learners import FIRST_ORDER, episode_of, run_of

from orchestrator.adaptation import artefact
from orchestrator.learner import Learner

pytestmark = pytest.mark.usefixtures("shared_runners")

X, Y, QUERIES = np.array([-1.0, 0.5, 2.0]), np.array([0.0, 1.0, -1.0]), np.array([0.0, 1.0, -3.0])


class Recording(pickle.Unpickler):
    """Records what a pickle names."""

    def __init__(self, content):
        super().__init__(io.BytesIO(content))
        self.named = set()

    def find_class(self, module, name):
        self.named.add((module, name))
        return super().find_class(module, name)


def same_again(predictor):
    """The predictor, pickled and unpickled; of ours the pickle names one public function."""
    pickled = Recording(pickle.dumps(predictor))
    again = pickled.load()
    ours = {(module, name) for module, name in pickled.named if not module.startswith("numpy")}
    assert ours == {("builtins", "getattr"), ("orchestrator.learner", "restore_learner")}
    assert type(again) is type(predictor)
    assert again.recipe == predictor.recipe
    return again


def test_values_are_the_same_without_adapting_again(monkeypatch):
    predictor = Learner(linear()).adapt(X, Y, inner_steps=3)
    expected = predictor.predict(QUERIES)
    by_step = predictor.by_inner_step(QUERIES)
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "run", None)
        again = same_again(predictor)
    np.testing.assert_array_equal(again.predict(QUERIES), expected)
    np.testing.assert_array_equal(again.by_inner_step(QUERIES), by_step)


def test_classes_are_the_same(image_zip, image_cache):
    config = images(image_zip, image_cache, *ONE_BY_ONE, FIRST_ORDER)
    x, y, queries, _ = episode_of(config)
    predictor = Learner.load(run_of(config)).adapt(x, y)
    again = same_again(predictor)
    np.testing.assert_array_equal(again.classes, predictor.classes)
    np.testing.assert_array_equal(again.predict_proba(queries), predictor.predict_proba(queries))


def test_texts_are_the_same():
    config = small_voices.voices(*ONE_BY_ONE, "outer.steps=4", FIRST_ORDER)
    predictor = Learner.load(run_of(config)).adapt(["baba", "bab"])
    again = same_again(predictor)
    assert again.generate(3, seed=1) == predictor.generate(3, seed=1)


def test_a_users_model_is_built_again_and_compared(tmp_path):
    config = sinusoid(*ONE_BY_ONE, "runtime.execution=map", *USER_MODEL, FIRST_ORDER)
    x, y, queries, _ = episode_of(config)
    predictor = Learner.load(run_of(config)).adapt(x, y)
    np.testing.assert_array_equal(
        same_again(predictor).predict(queries), predictor.predict(queries)
    )


def test_predictors_of_one_learner_share_it_in_one_pickle():
    learner = Learner(linear())
    one, other = pickle.loads(pickle.dumps([learner.adapt(X, Y), learner.adapt(X, -Y)]))
    assert one._learner is other._learner


def test_an_artefact_is_the_same_after_its_bytes():
    source = linear()
    again = artefact.from_bytes(artefact.as_bytes(source), source.origin, "digest")
    assert (again.origin, again.model_digest) == (source.origin, "digest")
    assert artefact.as_bytes(again) == artefact.as_bytes(source)
