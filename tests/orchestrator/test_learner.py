import os
import pickle
from pathlib import Path

import keras
import numpy as np
import pytest
import small_configs
import warm_commands
from small_configs import ONE_BY_ONE, REPTILE_ADAM, USER_MODEL
from small_images import picture, png
from small_learners import FIRST_ORDER, episode_of, outputs_in_evaluation, run_of

from orchestrator.adaptation import artefact
from orchestrator.adaptation.checks import probabilities
from orchestrator.learner import Learner
from workers.wire.errors import NonFiniteError

pytestmark = pytest.mark.usefixtures("shared_runners")


def sinusoid(*overrides):
    """Mapped, which is traced faster than what is vectorized."""
    return small_configs.sinusoid(*ONE_BY_ONE, "runtime.execution=map", *overrides)


def images(source, cache, *overrides):
    order = [] if "algorithm.kind=joint" in overrides else [FIRST_ORDER]
    return small_configs.images(source, cache, *ONE_BY_ONE, *order, *overrides)


#: Pictures, normalized over batches as Conv4 does it, which has four times as many layers.
ONE_LAYER = ["model.kind=linear", "model.normalization=batch"]


def learner_of(config, **options):
    return Learner.load(run_of(config), **options)


def as_trained(config):
    """The statistics that its own evaluation has: by default queries are answered one by one."""
    normalizes = config.task.kind == "images" or config.model.kind == "keras"
    return config.model.statistics if normalizes else None


def adapted_to_a_test_task(config):
    """A predictor, the queries, and what the run's own evaluation gives."""
    support_x, support_y, query_x, _ = episode_of(config)
    learner = learner_of(config, statistics=as_trained(config))
    predictor = learner.adapt(support_x, support_y)
    source = artefact.load(str(run_of(config)))
    expected = outputs_in_evaluation(config, source.state.weights, source.recipe)
    if learner.classifies:
        expected = probabilities(expected, expected.shape[-1])
    return predictor, query_x, expected


@pytest.fixture
def case(request, image_zip, image_cache):
    of_images, overrides = request.param
    if of_images:
        return images(image_zip, image_cache, *overrides)
    return sinusoid(*overrides)


def quick_first(cases, quick):
    """Parameters, of which those that are not `quick` are slow."""
    slow = pytest.mark.slow
    return [
        pytest.param(case, id=name, marks=[] if name in quick else slow)
        for name, case in cases.items()
    ]


CASES = {
    "maml": (False, ["runtime.execution=vectorized"]),
    "reptile with Adam in batches": (False, [*REPTILE_ADAM, "evaluation.inner_batch=2"]),
    "anil": (False, ["algorithm.kind=anil"]),
    "meta-sgd": (False, ["algorithm.kind=meta_sgd"]),
    "images": (True, []),
    "images, support statistics": (True, [*ONE_LAYER, "model.statistics=support"]),
    "images, running statistics": (True, [*ONE_LAYER, "model.statistics=running"]),
    "images, joint": (True, ["model.kind=mlp", "model.hidden=[4]", "algorithm.kind=joint"]),
    "a user's model": (False, [*USER_MODEL, FIRST_ORDER]),
}
QUICK = {"maml", "reptile with Adam in batches", "meta-sgd", "images", "images, joint"} | {
    "a user's model"
}


@pytest.mark.parametrize("case", quick_first(CASES, quick=QUICK), indirect=True)
def test_a_learner_adapts_as_the_evaluation_of_its_run_does(case):
    predictor, queries, expected = adapted_to_a_test_task(case)
    by_step = predictor.by_inner_step(queries)
    assert by_step.shape == expected.shape
    np.testing.assert_allclose(by_step, expected, rtol=2e-4, atol=1e-5)
    last = predictor.predict_proba(queries) if predictor.classes is not None else None
    answers = predictor.predict(queries) if last is None else last
    np.testing.assert_allclose(answers, by_step[-1], rtol=2e-4, atol=1e-5)
    assert not np.allclose(by_step[0], by_step[-1], atol=1e-3)


def test_the_inner_rate_and_steps_are_those_that_validation_chose_or_what_is_given():
    config = sinusoid("evaluation.inner_lr=[0.01, 0.05]")
    learner = learner_of(config)
    source = artefact.load(str(run_of(config)))
    assert learner.recipe == source.recipe
    x, y, queries, _ = episode_of(config)
    assert len(learner.adapt(x, y).by_inner_step(queries)) == source.recipe.inner_steps + 1
    assert len(learner.adapt(x, y, inner_steps=7).by_inner_step(queries)) == 8
    slow = learner.adapt(x, y, inner_lr=1e-9).by_inner_step(queries)
    np.testing.assert_allclose(slow[0], slow[-1], atol=1e-5)


def test_more_support_and_a_number_as_input_are_taken():
    learner = learner_of(sinusoid())
    xs = np.linspace(-5, 5, 40)
    predictor = learner.adapt(xs, 2 * np.sin(xs), inner_steps=30)
    before, after = (
        np.mean((predictor.by_inner_step(xs)[i, :, 0] - 2 * np.sin(xs)) ** 2) for i in (0, -1)
    )
    assert after < 0.9 * before


def test_classes_are_named_as_they_were_given(image_zip, image_cache):
    learner = learner_of(images(image_zip, image_cache))
    pictures = np.stack([picture(i, 0, size=16) for i in (3, 8, 3)])
    predictor = learner.adapt(pictures, ["zebra", "ant", "zebra"])
    assert list(predictor.classes) == ["ant", "zebra"]
    assert predictor.predict_proba(pictures).shape == (3, 2)
    np.testing.assert_allclose(predictor.predict_proba(pictures).sum(-1), 1, rtol=1e-6)
    assert set(predictor.predict(pictures)) <= {"ant", "zebra"}
    numbers = learner.adapt(pictures, [7, 11, 7])
    assert set(numbers.predict(pictures)) <= {7, 11}


def test_images_come_as_numbers_as_bytes_or_as_files(tmp_path, image_zip, image_cache):
    learner = learner_of(images(image_zip, image_cache))
    pictures = [picture(i, 0, size=16) for i in range(2)]
    files = []
    for i, one in enumerate(pictures):
        files.append(tmp_path / f"{i}.png")
        files[-1].write_bytes(png(one))
    expected = np.stack(pictures)[..., None].astype(np.float32) / 255
    np.testing.assert_array_equal(learner.read_inputs(np.stack(pictures)), expected)
    np.testing.assert_array_equal(learner.read_inputs(files), expected)
    np.testing.assert_array_equal(learner.read_inputs(expected), expected)


@pytest.mark.parametrize(
    ("overrides", "statistics"),
    [
        ([], "support"),
        pytest.param(["model.statistics=support"], "batch", marks=pytest.mark.slow),
    ],
)
def test_queries_may_be_normalized_otherwise_than_in_training(
    image_zip, image_cache, overrides, statistics
):
    config = images(image_zip, image_cache, *ONE_LAYER, *overrides)
    other = images(image_zip, image_cache, *ONE_LAYER, f"model.statistics={statistics}")
    x, y, queries, _ = episode_of(config)
    changed = learner_of(config, statistics=statistics)
    predictor = changed.adapt(x, y)
    alone = np.concatenate([predictor.predict_proba(query[None]) for query in queries])
    together = predictor.predict_proba(queries)
    assert np.allclose(alone, together, atol=1e-5) == (statistics == "support")
    assert changed.protocol["transductive"] == (statistics == "batch")
    said = artefact.load(str(run_of(other))).protocol["normalization"]
    assert changed.protocol["normalization"] == said


@pytest.mark.parametrize(
    "case",
    [
        pytest.param((True, []), id="conv4"),
        pytest.param((False, [*USER_MODEL, FIRST_ORDER]), id="a user's model"),
        pytest.param((True, USER_MODEL), id="a user's model of images", marks=pytest.mark.slow),
    ],
    indirect=True,
)
def test_a_query_is_answered_the_same_whatever_is_asked_beside_it(case):
    x, y, queries, _ = episode_of(case)
    learner = learner_of(case)

    def answers(learner):
        predictor = learner.adapt(x, y)
        return predictor.predict_proba if learner.classifies else predictor.predict

    answer = answers(learner)
    each = np.concatenate([answer(query[None]) for query in queries])
    for some in (slice(None), slice(0, 1), slice(1, None), [0] * len(queries)):
        np.testing.assert_allclose(answer(queries[some]), each[some], rtol=1e-5, atol=1e-6)
    assert learner.protocol["transductive"] is False
    assert "one query (inductive)" in learner.protocol["normalization"]
    together = answers(learner_of(case, statistics="batch"))(queries)
    assert not np.allclose(together, each, atol=1e-4)


def test_other_statistics_are_for_batch_normalization():
    with pytest.raises(ValueError, match=r"statistics = 'support': the model has"):
        learner_of(sinusoid(), statistics="support")


SAVED = {
    "batch": (True, []),
    "support": (True, ["model.statistics=support", "outer.meta_batch_size=5"]),
    "running": (True, [*ONE_LAYER, "model.statistics=running"]),
    "layer": (True, [*ONE_LAYER, "model.normalization=layer"]),
    "group": (True, [*ONE_LAYER, "model.normalization=group", "model.groups=2"]),
    "none": (True, ["model.normalization=none"]),
    "joint": (True, ["model.kind=mlp", "model.hidden=[4]", "algorithm.kind=joint"]),
    "a dense network": (False, ["model.normalization=layer"]),
    "a user's model": (False, [*USER_MODEL, FIRST_ORDER]),
}
SAVED_QUICK = {"batch", "running", "joint", "a dense network", "a user's model"}


@pytest.mark.parametrize("case", quick_first(SAVED, quick=SAVED_QUICK), indirect=True)
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
    with pytest.raises(ValueError, match=r"end in \.keras"):
        predictor.save(tmp_path / "adapted.h5")


def test_a_changed_model_is_not_adapted(tmp_path):
    module = Path(__file__).parents[1] / "fakes/tasks" / "user_models.py"
    (tmp_path / "own_models.py").write_text(module.read_text())
    config = sinusoid(
        "model.kind=keras", "model.source=own_models:frozen", f"model.folder={tmp_path}"
    )
    run = run_of(config)
    assert Learner.load(run)
    (tmp_path / "own_models.py").write_text(module.read_text() + "\n# edited\n")
    with pytest.raises(ValueError, match="own_models:frozen has changed since the run was trained"):
        Learner.load(run)


@pytest.mark.parametrize(
    ("inputs", "targets", "options", "message"),
    [
        ([[1.0, 2.0]], [1.0], {}, r"inputs have shape \[1, 2\], the model takes \[n, 1\]"),
        ([], [], {}, "inputs have shape"),
        ([1.0, float("nan")], [1.0, 2.0], {}, r"inputs\[1\] is not finite"),
        ([1.0, 2.0], [1.0], {}, "2 inputs, but 1 targets"),
        ([1.0], [float("inf")], {}, "finite values"),
        ([1.0], [[1.0, 2.0]], {}, r"finite values \[n, 1\] are needed"),
        ([1.0], [1.0], {"inner_steps": -1}, "inner_steps = -1; whole numbers from 0 to 10000"),
        ([1.0], [1.0], {"inner_steps": 1.5}, "inner_steps = 1.5; whole numbers"),
        ([1.0], [1.0], {"inner_lr": 0.0}, "inner_lr = 0; it must be above 0"),
        ([1.0], [1.0], {"inner_lr": float("nan")}, "inner_lr = nan"),
    ],
)
def test_wrong_examples_are_refused(inputs, targets, options, message):
    with pytest.raises(ValueError, match=message):
        learner_of(sinusoid()).adapt(inputs, targets, **options)


def test_an_inner_loop_that_diverges_is_told():
    with pytest.raises(NonFiniteError, match="not finite after 50 inner steps"):
        learner_of(sinusoid()).adapt([1.0, 2.0], [1e20, -1e20], inner_steps=50, inner_lr=1e6)


def test_a_task_has_two_classes_at_least_and_no_more_than_the_model(image_zip, image_cache):
    learner = learner_of(images(image_zip, image_cache))
    pictures = np.stack([picture(i, 0, size=16) for i in range(4)])
    with pytest.raises(ValueError, match="has one class only"):
        learner.adapt(pictures, ["a"] * 4)
    with pytest.raises(ValueError, match=r"has 4 classes .* at most 3 apart .* task\.ways=4"):
        learner.adapt(pictures, list("abcd"))
    for labels in (["a", None, "b", "a"], [0.0, 1.0, float("nan"), 1.0]):
        with pytest.raises(ValueError, match=r"targets\[\d\] is \w+; every example needs a class"):
            learner.adapt(pictures, labels)
    with pytest.raises(ValueError, match=r"targets of shape \[4, 3\]; a class for each"):
        learner.adapt(pictures, np.eye(4, 3))
    with pytest.raises(ValueError, match="use predict"):
        learner_of(sinusoid()).adapt([1.0], [1.0]).predict_proba([1.0])


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


def test_methods_that_are_no_offer_are_private():
    public = {name for name in dir(Learner) if not name.startswith("_")}
    assert not public & {"answer", "assemble"}
