"""Exported functions: a SavedModel and a LiteRT file answer as the run does."""

import numpy as np
import pytest
import tensorflow as tf
from small_configs import ONE_BY_ONE, images, sinusoid
from small_learners import episode_of, run_of

from orchestrator.adaptation.litert.file_description import read_description
from orchestrator.cli.export_command import Form, export_standalone
from orchestrator.export import standalone
from orchestrator.learner import Learner
from workers.export import litert_file

pytestmark = pytest.mark.usefixtures("shared_runners")
TWO = "evaluation.inner_steps=[2]"
PROTONET = ["evaluation.inner_steps=[1]", "algorithm.kind=protonet"]


def of_litert(file, support, targets, queries):
    interpreter = tf.lite.Interpreter(model_path=str(file))
    adapt = interpreter.get_signature_runner("adapt")
    predict = interpreter.get_signature_runner("predict")
    state = adapt(support_inputs=support, support_targets=targets)["state"]
    return np.concatenate(
        [predict(state=state, query_inputs=query[None])["outputs"] for query in queries]
    )


def of_saved_model(folder, support, targets, queries):
    functions = tf.saved_model.load(str(folder)).signatures
    state = functions["adapt"](
        support_inputs=tf.constant(support), support_targets=tf.constant(targets)
    )["state"]
    outputs = functions["predict"](state=state, query_inputs=tf.constant(queries))
    return outputs["outputs"].numpy()


RUNNERS = {Form.LITERT: of_litert, Form.SAVED_MODEL: of_saved_model}


def probabilities(outputs):
    powers = np.exp(outputs - outputs.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


@pytest.mark.quick("maml-litert", "reptile-savedmodel")
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter.*")
@pytest.mark.parametrize("form", [Form.LITERT, Form.SAVED_MODEL])
@pytest.mark.parametrize(
    "settings",
    [
        pytest.param([TWO], id="maml"),
        pytest.param([TWO, "model.normalization=layer", "algorithm.kind=meta_sgd"], id="meta-sgd"),
        pytest.param(["algorithm.kind=reptile", "algorithm.inner_optimizer=adam"], id="reptile"),
        pytest.param([TWO, "algorithm.kind=anil", "model.normalization=batch"], id="anil"),
    ],
)
def test_numbers_are_predicted_as_by_the_run(tmp_path, form, settings):
    config = sinusoid(*ONE_BY_ONE, *settings)
    run, file = run_of(config), tmp_path / "a"
    export_standalone(str(run), file, form, None, None)
    support, targets, queries, _ = episode_of(config)
    expected = Learner.load(run).adapt(support, targets).predict(queries)
    outputs = RUNNERS[form](file, support, targets, queries)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


@pytest.mark.quick("protonet")
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter.*")
@pytest.mark.parametrize(
    ("settings", "classes"),
    [
        pytest.param([TWO], None, id="maml, batch"),
        pytest.param(
            [TWO, "model.downsample=max_pool", "model.normalization=layer"], None, id="pools"
        ),
        pytest.param(PROTONET, 5, id="protonet"),
    ],
)
def test_classes_of_images_are_predicted_as_by_the_run(
    tmp_path, image_zip, image_cache, settings, classes
):
    config = images(image_zip, image_cache, *ONE_BY_ONE, *settings)
    run, file = run_of(config), tmp_path / "a.tflite"
    export_standalone(str(run), file, Form.LITERT, classes, 2)
    number = classes or 3
    rng = np.random.default_rng(1)
    support = rng.random((2 * number, 16, 16, 1), np.float32)
    targets = (np.arange(2 * number) % number).astype(np.int32)
    queries = rng.random((3, 16, 16, 1), np.float32)
    predictor = Learner.load(run).adapt(support, [str(target) for target in targets])
    outputs = of_litert(file, support, targets, queries)
    np.testing.assert_allclose(probabilities(outputs), predictor.predict_proba(queries), atol=1e-5)
    about = read_description(file)
    assert about["adapt"]["support_inputs"] == ["float32", [2 * number, 16, 16, 1]]
    assert about["protocol"]["shots"] == 1


def test_an_answer_that_differs_is_never_written(tmp_path, monkeypatch):
    run = run_of(sinusoid(*ONE_BY_ONE))
    monkeypatch.setattr(litert_file, "answers", lambda *given: np.ones((3, 1)))
    with pytest.raises(standalone.MetatrainError, match="answers otherwise than the run, by"):
        export_standalone(str(run), tmp_path / "a", Form.LITERT, None, None)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("settings", "classes", "message"),
    [
        ([TWO], 3, "--classes 3 is for classes, and the run predicts numbers"),
        (
            ["algorithm.kind=ridge", "evaluation.inner_steps=[1]"],
            None,
            r"the model needs .*, which LiteRT lacks; use --format sav",
        ),
    ],
)
def test_what_cannot_be_written_is_refused(tmp_path, settings, classes, message):
    run = run_of(sinusoid(*ONE_BY_ONE, *settings))
    with pytest.raises(ValueError, match=message):
        export_standalone(str(run), tmp_path / "a", Form.LITERT, classes, None)
    assert list(tmp_path.iterdir()) == []


def test_a_fixed_head_keeps_its_number_of_classes(tmp_path, image_zip, image_cache):
    run = run_of(images(image_zip, image_cache, *ONE_BY_ONE, TWO))
    with pytest.raises(ValueError, match="--classes 4, but the run's head has 3"):
        export_standalone(str(run), tmp_path / "a", Form.LITERT, 4, None)
