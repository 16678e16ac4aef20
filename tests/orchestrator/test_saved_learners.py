"""Predictors that are saved for Keras, or pickled."""

import os
import pickle

import keras
import numpy as np
import pytest
import warm_commands
from adapted_learners import ONE_LAYER, adapted_to_a_test_task, images, named, sinusoid
from small_configs import USER_MODEL
from small_learners import FIRST_ORDER

from orchestrator.adaptation.answers import probabilities

pytestmark = pytest.mark.usefixtures("shared_runners")


@pytest.fixture
def case(request, image_zip, image_cache):
    of_images, overrides = request.param
    if of_images:
        return images(image_zip, image_cache, *overrides)
    return sinusoid(*overrides)


SAVED = {
    "batch": (True, []),
    "support": (True, ["model.statistics=support", "outer.meta_batch_size=5"]),
    "running": (True, [*ONE_LAYER, "model.statistics=running"]),
    "running, per step": (
        True,
        [
            *[*ONE_LAYER, "model.statistics=running", "algorithm.inner_steps=2"],
            *["algorithm.step_affine=true", "algorithm.step_statistics=true"],
        ],
    ),
    "layer": (True, [*ONE_LAYER, "model.normalization=layer"]),
    "group": (True, [*ONE_LAYER, "model.normalization=group", "model.groups=2"]),
    "none": (True, ["model.normalization=none"]),
    "joint": (True, ["model.kind=mlp", "model.hidden=[4]", "algorithm.kind=joint"]),
    "cavia": (False, ["algorithm.kind=cavia", "model.normalization=layer"]),
    "cavia, images": (True, ["algorithm.kind=cavia"]),
    "a dense network": (False, ["model.normalization=layer"]),
    "a user's model": (False, [*USER_MODEL, FIRST_ORDER]),
}
SAVED_QUICK = (
    *("batch", "running, per step", "running", "joint", "cavia", "cavia, images"),
    *("a dense network", "a user's model"),
)


@pytest.mark.parametrize("case", named(SAVED), indirect=True)
@pytest.mark.quick(*SAVED_QUICK)
def test_a_saved_model_answers_in_keras_what_the_predictor_does(case, tmp_path):
    predictor, queries, expected = adapted_to_a_test_task(case)
    predictor.save(tmp_path / "adapted.keras", queries)
    model = keras.saving.load_model(tmp_path / "adapted.keras", compile=False)
    assert not [layer for layer in model.layers if type(layer).__module__.startswith("workers")]
    answers = model.predict(queries, verbose=0)
    if predictor.classes is not None:
        answers = probabilities(answers, len(predictor.classes))
        expected = predictor.predict_proba(queries)
    else:
        expected = predictor.predict(queries)
    # With the support set beside each query there is nothing in Keras that does the same.
    close = 0.2 if getattr(case.model, "statistics", "") == "support" else 1e-5
    np.testing.assert_allclose(answers, expected, atol=close)


def python(code, folder, *words):
    """Run a script in a process that has all modules imported."""
    script = folder / "script.py"
    script.write_text(code)
    return warm_commands.run(folder, *words, environment=os.environ, script=script)


# In a process where nothing of ours can be imported, and Keras knows no layers but its own.
_WITHOUT_US = """
import sys, keras, numpy as np
for name in list(sys.modules):
    if name.partition(".")[0] in ("orchestrator", "workers", "metatrain"):
        sys.modules[name] = None
keras.saving.get_custom_objects().clear()
model = keras.saving.load_model("adapted.keras")
np.save("answers.npy", model.predict(np.load("queries.npy"), verbose=0))
"""


@pytest.mark.slow
def test_a_saved_model_needs_nothing_but_keras(tmp_path, image_zip, image_cache):
    predictor, queries, _ = adapted_to_a_test_task(images(image_zip, image_cache))
    predictor.save(tmp_path / "adapted.keras", queries)
    np.save(tmp_path / "queries.npy", queries)
    done = python(_WITHOUT_US, tmp_path)
    assert done.returncode == 0, done.stderr
    answers = probabilities(np.load(tmp_path / "answers.npy"), len(predictor.classes))
    np.testing.assert_allclose(answers, predictor.predict_proba(queries), atol=1e-5)


def test_saving_takes_nothing_from_the_predictor(tmp_path, image_zip, image_cache):
    predictor, queries, _ = adapted_to_a_test_task(images(image_zip, image_cache))
    before = predictor.predict_proba(queries)
    predictor.save(tmp_path / "adapted.keras")
    np.testing.assert_array_equal(predictor.predict_proba(queries), before)
    with pytest.raises(ValueError, match="exists"):
        predictor.save(tmp_path / "adapted.keras")
    with pytest.raises(ValueError, match=r"must end in \.keras"):
        predictor.save(tmp_path / "adapted.h5")


def test_a_predictor_is_pickled_and_answers_the_same():
    predictor, queries, _ = adapted_to_a_test_task(sinusoid())
    again = pickle.loads(pickle.dumps(predictor))
    np.testing.assert_array_equal(again.by_inner_step(queries), predictor.by_inner_step(queries))


@pytest.mark.slow
def test_a_pickled_predictor_answers_the_same_in_another_process(tmp_path):
    predictor, queries, _ = adapted_to_a_test_task(sinusoid())
    file = tmp_path / "predictor.pkl"
    file.write_bytes(pickle.dumps((predictor, queries)))
    code = (
        "import pickle, sys, numpy\n"
        "predictor, queries = pickle.load(open(sys.argv[1], 'rb'))\n"
        "numpy.save(sys.argv[2], predictor.predict(queries))\n"
    )
    answers = tmp_path / "answers.npy"
    done = python(code, tmp_path, file, answers)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(np.load(answers), predictor.predict(queries))
