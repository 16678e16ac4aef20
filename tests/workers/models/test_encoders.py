"""A user's encoder of texts, with a head on it."""

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from small_texts import rows_of, write

from workers.algorithms.anil import AnilAlgorithm
from workers.meta_parameters import make_test_model
from workers.model_checks.user_model import check_model
from workers.models.user_model import KerasModel
from workers.settings.text_tasks import MatchingTask, TextTask
from workers.settings.worker import ActorSettings, RuntimeSettings
from workers.tasks.registry import make_family
from workers.wire.protocol import Draw

FOLDER = str(Path(__file__).parents[2] / "fakes/tasks")


@pytest.fixture
def settings_of(tmp_path):
    """Make settings for tasks of kind "text" or "matching", a model of text_models.py or a file."""
    path = str(write(tmp_path / "a.csv", rows_of(num_classes=24, num_domains=6)))
    small = {"path": path, "shots": 2, "queries": 3, "tokens": "bytes"}
    tasks = {"text": TextTask(**small, ways=3), "matching": MatchingTask(**small, candidates=3)}

    def of(kind, source="text_models:encoder", encoder=True, **options):
        user = {"source": source, "folder": FOLDER, "encoder": encoder, **options}
        return ActorSettings(
            task=tasks[kind],
            model=KerasModel(**user),
            algorithm=AnilAlgorithm(inner_lr=1.0, inner_steps=2),
            runtime=RuntimeSettings(execution="map", xla=False),
        )

    return of


def model_of(settings):
    family = make_family(settings.task)
    return make_test_model(settings, family).keras_model, family


def test_classes_are_logits_of_a_linear_layer_that_begins_at_0(settings_of):
    settings = settings_of("text")
    model, family = model_of(settings)
    ids = family.build(family.sample(Draw(0, "train", 0), 0, 1, 2, 3)).support_inputs[0]
    assert model(ids).shape == (6, 3)
    assert np.abs(model(ids)).max() == 0
    notes = check_model(settings, family).notes
    assert notes[0].endswith("weights, head head")
    assert not [note for note in notes if "spare" in note]


def test_candidates_are_compared_by_the_cosine_of_what_the_encoder_gives(settings_of):
    model, family = model_of(settings_of("matching"))
    ids = family.build(family.sample(Draw(0, "train", 0), 0, 1, 2, 3)).support_inputs[0]
    encoder = next(layer for layer in model.layers if isinstance(layer, keras.Model))
    vectors = np.asarray(encoder(tf.reshape(ids, (-1, ids.shape[-1])))).reshape(6, 4, -1)
    unit = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    cosines = np.einsum("ncu,nu->nc", unit[:, 1:], unit[:, 0])
    np.testing.assert_allclose(model(ids), 16 * cosines, rtol=1e-5)


@pytest.mark.parametrize("kind", ["text", "matching"])
def test_a_file_keeps_its_weights_and_those_that_are_frozen(settings_of, tmp_path, kind):
    length = make_family(settings_of(kind).task).input_shape[-1]
    ids = keras.Input((length,), dtype="int32")
    frozen = keras.layers.Embedding(257, 5, trainable=False, embeddings_initializer="ones")
    hidden = keras.layers.GlobalAveragePooling1D()(frozen(ids))
    keras.Model(ids, keras.layers.Dense(4, name="own")(hidden)).save(tmp_path / "e.keras")
    model, _ = model_of(settings_of(kind, str(tmp_path / "e.keras")))
    own = keras.saving.load_model(tmp_path / "e.keras").get_layer("own").kernel
    trained = {weight.path: weight for weight in model.trainable_variables}
    assert not any("embedding" in path for path in trained)
    np.testing.assert_array_equal(trained["own/kernel"], own)


@pytest.mark.parametrize("kind", ["text", "matching"])
def test_what_is_no_encoder_is_refused(settings_of, kind):
    settings = settings_of(kind, "text_models:unpooled")
    with pytest.raises(ValueError, match=r"has outputs of shape \(None, \d+, 4\); pool them"):
        check_model(settings, make_family(settings.task))


def test_a_model_of_one_text_is_told_how_to_serve_for_candidates(settings_of, tmp_path):
    length = make_family(settings_of("matching").task).input_shape[-1]
    ids = keras.Input((length,), dtype="int32")
    vectors = keras.layers.GlobalAveragePooling1D()(keras.layers.Embedding(257, 5)(ids))
    keras.Model(ids, vectors).save(tmp_path / "e.keras")
    settings = settings_of("matching", str(tmp_path / "e.keras"), encoder=False)
    with pytest.raises(ValueError, match=r"takes examples of shape \(37,\).* model.encoder=true"):
        check_model(settings, make_family(settings.task))


def test_vectors_that_are_taken_for_logits_are_noted(settings_of):
    settings = settings_of("text", encoder=False)
    notes = " ".join(check_model(settings, make_family(settings.task)).notes)
    assert "the other 3 are never a correct answer; if they are vectors" in notes


def test_names_in_graphs_do_not_depend_on_what_keras_built_before(settings_of):
    """TensorFlow orders some sums of a graph by names: other names are other bits."""

    def names():
        settings = settings_of("text")
        parts = make_test_model(settings, make_family(settings.task)).parts
        models = [parts.body.keras_model, parts.head.keras_model]
        return [layer.name for model in models for layer in (model, *model.layers)]

    first = names()
    for _ in range(3):
        inputs = keras.Input((2,))
        keras.Model(inputs, keras.layers.Dense(1)(inputs))
    assert names() == first
