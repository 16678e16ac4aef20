"""Runs whose head is computed: trained with three classes, adapted to any number of them."""

import functools
import json
import os
import pickle
import tempfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
import small_configs
from adapted_learners import adapted_to_a_test_task, named
from inline_command import metatrain
from small_configs import ONE_BY_ONE, USER_MODEL, sinusoid
from small_images import members, picture, write_folder
from small_learners import run_of
from small_runs import in_process
from small_texts import WORDS, rows_of, write

from orchestrator.adaptation import artefact
from orchestrator.adaptation.answers import probabilities
from orchestrator.learner import Learner
from workers.export.keras_file import as_keras_file

pytestmark = pytest.mark.usefixtures("shared_runners")
ONCE = [*ONE_BY_ONE, "evaluation.inner_steps=[1]"]
DENSE = ["model.kind=mlp", "model.hidden=[64]"]
BATCH = ["model.normalization=batch"]
# A rate at which inner steps are seen.
PROTO_MAML = ["algorithm.kind=proto_maml", "evaluation.inner_lr=[0.03]"]
KINDS = {
    "protonet": [*ONCE, *DENSE, "algorithm.kind=protonet"],
    "protonet, support": [*ONCE, "algorithm.kind=protonet", "model.statistics=support"],
    "protonet, running": [*ONCE, *DENSE, *BATCH, "algorithm.kind=protonet"],
    "proto-maml": [*ONE_BY_ONE, *DENSE, *PROTO_MAML],
    "ridge": [*ONCE, *DENSE, "algorithm.kind=ridge"],
}


@pytest.fixture
def case(request, image_zip, image_cache):
    if request.param == "numbers":
        return sinusoid(*ONCE, "algorithm.kind=ridge")
    return small_configs.images(image_zip, image_cache, *request.param)


@functools.cache
def table_of_texts():
    return write(Path(tempfile.mkdtemp(dir=os.environ["RAY_TMPDIR"])) / "a.csv", rows_of())


def texts(*overrides):
    task = {"kind": "text", "path": str(table_of_texts()), "ways": 3, "shots": 2, "queries": 2}
    model = {"kind": "text", "units": 4}
    table = {**small_configs.SINUSOID, "task": task, "model": model}
    return small_configs.changed(table, *overrides)


def examples(ways, most):
    """Pictures of so many classes, the first one of which has `most`, and their classes."""
    shots = [most if way == 0 else 1 + way % 3 for way in range(ways)]
    ways_of = np.repeat(np.arange(ways), shots)
    noise = np.random.default_rng(0).integers(0, 60, (len(ways_of), 16, 16), np.uint8)
    pictures = np.stack([picture(way, 0, size=16) // 2 for way in ways_of]) + noise
    return pictures, [f"class {way:02}" for way in ways_of]


CASES = {**KINDS, "numbers": "numbers"}


@pytest.mark.quick("protonet", "ridge", "numbers")
@pytest.mark.parametrize("case", named(CASES), indirect=True)
def test_a_learner_adapts_as_the_evaluation_of_its_run_does(case, tmp_path):
    predictor, queries, expected = adapted_to_a_test_task(case)
    by_step = predictor.by_inner_step(queries)
    np.testing.assert_allclose(by_step, expected, rtol=2e-4, atol=1e-5)
    answer = predictor.predict if predictor.classes is None else predictor.predict_proba
    np.testing.assert_allclose(answer(queries), by_step[-1], rtol=2e-4, atol=1e-5)
    assert not np.allclose(by_step[0], by_step[-1], atol=1e-5)
    predictor.save(tmp_path / "adapted.keras")
    outputs = keras.saving.load_model(tmp_path / "adapted.keras", compile=False)(queries).numpy()
    if predictor.classes is not None:
        outputs = probabilities(outputs, len(predictor.classes))
    np.testing.assert_allclose(outputs, answer(queries), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("ways", [1, 2, 8, 50])
@pytest.mark.parametrize("case", named(KINDS), indirect=True)
@pytest.mark.quick(*(f"protonet-{ways}" for ways in (1, 2, 8, 50)))
def test_a_run_of_three_classes_adapts_to_any_number_with_unequal_shots(case, ways, tmp_path):
    learner = Learner.load(run_of(case))
    x, y = examples(ways, most=100 if ways < 8 else 5)
    predictor = learner.adapt(x, y)
    assert list(predictor.classes) == sorted(set(y))
    queries, given = x[::2], y[::2]
    shares = predictor.predict_proba(queries)
    assert shares.shape == (len(queries), ways)
    np.testing.assert_allclose(shares.sum(-1), 1, rtol=1e-5)
    # An unbalanced set does not draw queries to its largest class: most are told right.
    assert np.mean(predictor.predict(queries) == np.array(given)) > 0.5
    assert predictor.evaluate(queries, given)["accuracy"] > 0.5
    alone = np.concatenate([predictor.predict_proba(one[None]) for one in queries[:2]])
    np.testing.assert_allclose(alone, shares[:2], rtol=1e-4, atol=1e-6)
    same = pickle.loads(pickle.dumps(predictor)).predict_proba(queries)
    np.testing.assert_array_equal(same, shares)
    predictor.save(tmp_path / "own.keras")
    model = keras.saving.load_model(tmp_path / "own.keras", compile=False)
    outputs = model(learner.read_inputs(queries)).numpy()
    assert outputs.shape == (len(queries), ways)
    np.testing.assert_allclose(probabilities(outputs, ways), shares, rtol=1e-3, atol=1e-5)


@pytest.mark.quick("protonet")
@pytest.mark.parametrize("kind", ["protonet", "ridge"])
def test_texts_are_told_apart_by_words_and_saved_for_keras(kind, tmp_path):
    learner = Learner.load(run_of(texts(*ONCE, f"algorithm.kind={kind}")))
    given = [f"i want {word} with my {more}" for word in WORDS[:5] for more in ("tea", "rice")]
    labels = [word for word in WORDS[:5] for _ in range(2)]
    predictor = learner.adapt(given, labels)
    queries = [f"is there {word}" for word in WORDS[:5]]
    assert list(predictor.predict(queries)) == list(WORDS[:5])
    predictor.save(tmp_path / "own.keras")
    model = keras.saving.load_model(tmp_path / "own.keras", compile=False)
    shares = probabilities(model(learner.read_inputs(queries)).numpy(), 5)
    np.testing.assert_allclose(shares, predictor.predict_proba(queries), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("statistics", ["running", "support"])
@pytest.mark.quick("support")
def test_a_users_model_is_cut_in_front_of_its_head_and_exported_whole(
    statistics, tmp_path, image_zip, image_cache
):
    """With dropout, and batch, layer and group normalization of Keras."""
    own = [*ONCE, *USER_MODEL, "algorithm.kind=protonet", f"model.statistics={statistics}"]
    config = small_configs.images(image_zip, image_cache, *own)
    run = run_of(config)
    learner = Learner.load(run)
    x, y = examples(4, most=3)
    expected = learner.adapt(x, y).predict_proba(x[:5])
    alone = learner.adapt(x, y).predict_proba(x[:1])
    np.testing.assert_allclose(alone, expected[:1], rtol=1e-4, atol=1e-6)
    source = artefact.load(str(run))
    model = as_keras_file(config.worker, in_process(config).family).content
    file = tmp_path / "own.metatrain"
    file.write_bytes(artefact.as_bytes(replace(source, model=model)))
    shares = Learner.load(file).adapt(x, y).predict_proba(x[:5])
    np.testing.assert_allclose(shares, expected, rtol=1e-4, atol=1e-6)


def test_the_order_of_examples_changes_nothing_but_rounding(image_zip, image_cache):
    learner = Learner.load(run_of(small_configs.images(image_zip, image_cache, *KINDS["ridge"])))
    x, y = examples(4, most=5)
    order = np.random.default_rng(0).permutation(len(x))
    one, other = learner.adapt(x, y), learner.adapt(x[order], [y[i] for i in order])
    np.testing.assert_allclose(other.predict_proba(x), one.predict_proba(x), rtol=1e-3, atol=1e-5)


@pytest.mark.quick("protonet")
@pytest.mark.parametrize("kind", ["protonet", "proto-maml"])
def test_the_command_adapts_an_exported_run_to_other_numbers_of_classes(
    kind, tmp_path, monkeypatch, capsys, image_zip, image_cache
):
    monkeypatch.chdir(tmp_path)
    run = run_of(small_configs.images(image_zip, image_cache, *KINDS[kind]))
    assert metatrain(capsys, monkeypatch, "export", run, "small.metatrain")[0] == 0
    for ways in (1, 5):
        own = members(num_classes=ways, examples=2)
        write_folder(tmp_path / f"own{ways}", own)
        words = ["--support", f"own{ways}", "--query", f"own{ways}", "--json"]
        words += ["--save-model", f"own{ways}.keras"]
        code, out, err = metatrain(capsys, monkeypatch, "adapt", "small.metatrain", *words)
        assert code == 0, err
        assert "are left out" not in err
        document = json.loads(out)
        assert {len(row["probabilities"]) for row in document["predictions"]} == {ways}
        assert ("inner_lr" in document["protocol"]) == (kind == "proto-maml")
        assert document["protocol"]["adaptation" if kind == "protonet" else "inner_steps"]
        model = keras.saving.load_model(f"own{ways}.keras", compile=False)
        assert model.output_shape == (None, ways)


def test_tasks_of_different_numbers_of_classes_are_adapted_to_in_one_call(
    tmp_path, monkeypatch, capsys, image_zip, image_cache
):
    """Tasks of equal shapes are in one block, whatever else differs."""
    from orchestrator.adaptation.user_tasks import UserTask, blocks_of

    config = small_configs.images(image_zip, image_cache, *KINDS["protonet"])
    inputs = np.zeros((4, 16, 16, 1), np.float32)

    def task(ways):
        names = [str(way) for way in range(ways)]
        targets = np.arange(4, dtype=np.int32) % ways
        return UserTask(str(ways), names, inputs, targets, inputs[:1], None, np.arange(1))

    recipe = artefact.load(str(run_of(config))).recipe
    blocks, order = blocks_of(config, [task(2), task(3), task(2)], recipe, "predict", 8)
    assert [(block.recipe.ways, block.hi - block.lo) for block in blocks] == [(2, 2), (3, 1)]
    assert order == [0, 2, 1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"inner_steps": 3}, "inner_steps = 3: algorithm.kind = 'protonet' computes the head at"),
        ({"inner_lr": 0.1}, "inner_lr = 0.1: algorithm.kind = 'protonet' computes the head at"),
    ],
)
def test_inner_steps_are_refused_where_there_are_none(given, message, image_zip, image_cache):
    config = small_configs.images(image_zip, image_cache, *KINDS["protonet"])
    learner = Learner.load(run_of(config))
    with pytest.raises(ValueError, match=message):
        learner.adapt(*examples(2, 2), **given)


def test_the_statistics_of_features_stay_those_of_training(image_zip, image_cache):
    config = small_configs.images(image_zip, image_cache, *KINDS["protonet, running"])
    assert config.model.statistics == "running"
    with pytest.raises(ValueError, match=r"statistics = 'batch': the run's features are those of"):
        Learner.load(run_of(config), statistics="batch")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["model.kind=linear"],
            r"^model\.kind = 'linear' has nothing in front of its head, which algorithm\.kind = 'p",
        ),
        (
            ["model.kind=conv4", "model.statistics=batch"],
            r"^model\.statistics = 'batch' is not for algorithm\.kind = 'protonet', .* use 'runnin"
            r"g' or 'support', or a model without batch normalization$",
        ),
        (
            ["algorithm.kind=proto_maml", "model.normalization=batch", "model.statistics=running"],
            r"^model\.statistics = 'running' is not for algorithm\.kind = 'proto_maml'.* use 'supp",
        ),
        (["algorithm.inner_lr=0.1"], r"^unknown key algorithm\.inner_lr"),
        (
            ["evaluation.inner_steps=[1,3]"],
            r"^evaluation\.inner_steps = \[1, 3\] is not for algorithm\.kind = 'protonet', whose",
        ),
        (["evaluation.inner_lr=[0.1]"], r"^evaluation\.inner_lr = \[0\.1\] is not for algorithm"),
        (["evaluation.inner_batch=2"], r"^evaluation\.inner_batch = 2 is not for algorithm\.kind"),
    ],
)
def test_what_does_not_go_with_a_computed_head_is_refused_in_one_line(
    overrides, message, image_zip, image_cache
):
    with pytest.raises(ValueError, match=message) as refused:
        small_configs.images(image_zip, image_cache, *KINDS["protonet"], *overrides)
    assert "\n" not in str(refused.value)
