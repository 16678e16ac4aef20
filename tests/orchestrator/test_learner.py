"""Adapting a trained run to examples in Python: its predictions, and refused inputs."""

import sys
from pathlib import Path

import numpy as np
import pytest
from adapted_learners import (
    ONE_LAYER,
    adapted_to_a_test_task,
    images,
    learner_of,
    named,
    sinusoid,
)
from small_configs import REPTILE_ADAM, USER_MODEL
from small_images import picture, png
from small_learners import FIRST_ORDER, episode_of, run_of

from orchestrator.adaptation import artefact
from orchestrator.learner import Learner
from workers.wire.errors import NonFiniteError

pytestmark = pytest.mark.usefixtures("shared_runners")


@pytest.fixture
def case(request, image_zip, image_cache):
    of_images, overrides = request.param
    if of_images:
        return images(image_zip, image_cache, *overrides)
    return sinusoid(*overrides)


PER_STEP = ["algorithm.inner_steps=2", "evaluation.inner_steps=[2, 3]"]
CASES = {
    "maml": (False, ["runtime.execution=vectorized"]),
    "reptile with Adam in batches": (False, [*REPTILE_ADAM, "evaluation.inner_batch=2"]),
    "anil": (False, ["algorithm.kind=anil"]),
    "meta-sgd": (False, ["algorithm.kind=meta_sgd"]),
    "images, per step": (True, [*ONE_LAYER, *PER_STEP, "algorithm.step_affine=true"]),
    "images, per step, running": (
        True,
        [
            *[*ONE_LAYER, *PER_STEP, "algorithm.step_affine=true"],
            *["algorithm.step_statistics=true", "model.statistics=running"],
        ],
    ),
    "cavia": (False, ["algorithm.kind=cavia", "algorithm.inner_steps=2"]),
    "cavia, images": (True, ["algorithm.kind=cavia"]),
    "imaml": (False, ["algorithm.kind=imaml", "algorithm.proximal=0.5"]),
    "layer rates": (False, ["algorithm.layer_rates=true", "algorithm.inner_steps=2"]),
    "images": (True, []),
    "images, support statistics": (True, [*ONE_LAYER, "model.statistics=support"]),
    "images, running statistics": (True, [*ONE_LAYER, "model.statistics=running"]),
    "images, joint": (True, ["model.kind=mlp", "model.hidden=[4]", "algorithm.kind=joint"]),
    "a user's model": (False, [*USER_MODEL, FIRST_ORDER]),
}
QUICK = (
    *("maml", "reptile with Adam in batches", "meta-sgd", "images", "images, joint"),
    "a user's model",
)


@pytest.mark.parametrize("case", named(CASES), indirect=True)
@pytest.mark.quick(*QUICK)
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
    message = artefact.load(str(run_of(other))).protocol["normalization"]
    assert changed.protocol["normalization"] == message


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
    item = np.concatenate([answer(query[None]) for query in queries])
    for some in (slice(None), slice(0, 1), slice(1, None), [0] * len(queries)):
        np.testing.assert_allclose(answer(queries[some]), item[some], rtol=1e-5, atol=1e-6)
    assert learner.protocol["transductive"] is False
    assert "one query (inductive)" in learner.protocol["normalization"]
    together = answers(learner_of(case, statistics="batch"))(queries)
    assert not np.allclose(together, item, atol=1e-4)


def test_other_statistics_are_for_batch_normalization():
    with pytest.raises(ValueError, match=r"statistics = 'support': the model has"):
        learner_of(sinusoid(), statistics="support")


def test_a_changed_model_is_not_adapted(tmp_path, monkeypatch):
    module = Path(__file__).parents[1] / "fakes/tasks" / "user_models.py"
    (tmp_path / "own_models.py").write_text(module.read_text())
    config = sinusoid(
        "model.kind=keras", "model.source=own_models:frozen", f"model.folder={tmp_path}"
    )
    run = run_of(config)
    assert Learner.load(run)
    (tmp_path / "own_models.py").write_text(module.read_text() + "\n# edited\n")
    monkeypatch.delitem(sys.modules, "own_models")  # as in another process
    with pytest.raises(ValueError, match="own_models:frozen has changed since the run was trained"):
        Learner.load(run)


@pytest.mark.parametrize(
    ("inputs", "targets", "options", "message"),
    [
        ([[1.0, 2.0]], [1.0], {}, r"inputs have shape \[1, 2\], the model takes \[n, 1\]"),
        ([], [], {}, "^inputs are empty; give one example or more$"),
        (np.zeros((0, 1)), [], {}, "^inputs are empty; give one example or more$"),
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
    with pytest.raises(ValueError, match=r"^inputs are empty; give one example or more$"):
        learner.adapt([], [])
    with pytest.raises(ValueError, match="has one class only"):
        learner.adapt(pictures, ["a"] * 4)
    with pytest.raises(ValueError, match=r"has 4 classes .* at most 3 apart; .* task\.ways=4"):
        learner.adapt(pictures, list("abcd"))
    for labels in (["a", None, "b", "a"], [0.0, 1.0, float("nan"), 1.0]):
        with pytest.raises(ValueError, match=r"targets\[\d\] is \w+; every example needs a class"):
            learner.adapt(pictures, labels)
    with pytest.raises(ValueError, match=r"targets of shape \[4, 3\]; a class for each"):
        learner.adapt(pictures, np.eye(4, 3))
    with pytest.raises(ValueError, match="use predict"):
        learner_of(sinusoid()).adapt([1.0], [1.0]).predict_proba([1.0])


def test_methods_that_are_no_offer_are_private():
    public = {name for name in dir(Learner) if not name.startswith("_")}
    assert not public & {"answer", "assemble"}
