"""A backbone: each example by itself, its identity, and the errors of what is none."""

import shutil
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import small_backbones

from workers.backbone.backbone import Backbone
from workers.models.mlp import MlpModel

FAKES = str(Path(small_backbones.__file__).parent)
SHAPE = (16, 16, 1)


def of(source, shape=SHAPE, **options):
    options = {"folder": FAKES} | options
    return Backbone(MlpModel(backbone=str(source), **options), shape, "task.image_size")


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return small_backbones.saved(tmp_path_factory.mktemp("backbone") / "images.keras")


@pytest.fixture(scope="module")
def inputs():
    return np.random.default_rng(0).random((37, *SHAPE), np.float32)


def test_features_are_what_keras_computes_of_one_example_without_training(file, inputs):
    backbone = of(file)
    features = backbone.features(inputs)
    model = keras.saving.load_model(file)
    alone = np.concatenate([model(each[None], training=False) for each in inputs])
    np.testing.assert_array_equal(features, alone)
    assert features.shape == (37, backbone.num_features) == (37, 6)
    assert features.dtype == np.float32


def test_a_feature_does_not_depend_on_what_else_is_computed_nor_on_its_place(file, inputs):
    """In a batch, kernels give an example other last bits at another place."""
    backbone = of(file)
    expected = backbone.features(inputs)
    order = np.random.default_rng(1).permutation(len(inputs))
    np.testing.assert_array_equal(backbone.features(inputs[order]), expected[order])
    parts = [backbone.features(part) for part in np.split(inputs, [1, 8, 30])]
    np.testing.assert_array_equal(np.concatenate(parts), expected)


def test_the_digest_is_of_weights_and_architecture_and_not_of_the_time_of_writing(file, tmp_path):
    digest = of(file).digest
    again = tmp_path / "again.keras"
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(again, "w", zipfile.ZIP_DEFLATED) as new:
        for name in reversed(old.namelist()):
            content = old.read(name)
            new.writestr(name, b"{}" if name == "metadata.json" else content)
    assert of(again).digest == digest
    others = [
        small_backbones.saved(tmp_path / "weights.keras", seed=4),
        small_backbones.saved(tmp_path / "features.keras", features=7),
    ]
    assert len({digest, *(of(other).digest for other in others)}) == 3


def test_a_function_has_the_same_weights_each_time_and_a_digest_of_them(monkeypatch, inputs):
    one, other = of("small_backbones:images"), of("small_backbones:images")
    assert one.digest == other.digest != of("small_backbones:maps").digest
    np.testing.assert_array_equal(one.features(inputs), other.features(inputs))


def test_a_functions_digest_changes_with_its_module(tmp_path, monkeypatch):
    source = Path(FAKES, "small_backbones.py").read_text()
    (tmp_path / "edited_backbones.py").write_text(source)
    digest = of("edited_backbones:images", folder=str(tmp_path)).digest
    (tmp_path / "edited_backbones.py").write_text(f"{source}\n# edited\n")
    monkeypatch.delitem(sys.modules, "edited_backbones")  # as in another process
    assert of("edited_backbones:images", folder=str(tmp_path)).digest != digest


def test_a_model_without_declared_inputs_is_called_on_examples(inputs):
    backbone = of("small_backbones:subclassed")
    np.testing.assert_array_equal(backbone.features(inputs), inputs.reshape(37, 256) / 2)


def test_token_ids_get_the_declared_type_and_strings_their_shape():
    ids = of("small_backbones:ids", (7,))
    assert not ids.takes_strings
    assert ids.features(np.arange(14, dtype=np.int32).reshape(2, 7)).shape == (2, 5)
    strings = of("small_backbones:strings", (7,))
    assert strings.takes_strings
    one, other = strings.features(np.array(["please bring bread0", "bread0"]))
    assert one.shape == (5,)
    assert not np.array_equal(one, other)


WRONG = {
    "small_backbones:maps": r"outputs of shape \('batch', 14, 14, 2\); .* pooling",
    "small_backbones:two": "takes 2 inputs, but the tasks have one",
    "small_backbones:several": "returns a dict of outputs",
    "small_backbones:integers": "outputs of type int32; floating-point",
    "small_backbones:fails": r"raised RuntimeError when it was called with \(\): no weights here",
    "small_backbones:nothing": "returned an object of type list, not a keras.Model",
    "small_backbones:images_of": "small_backbones has no function 'images_of'",
    "no_such_module:images": "there is no module 'no_such_module'",
    "images.h5": "is neither 'module:function' nor a file that ends in .keras",
    "none.keras": "there is no file .*none.keras",
    "small_backbones.py.keras": "is no .keras file: a zip archive",
}


@pytest.mark.parametrize("source", WRONG)
def test_what_is_no_backbone_is_refused_with_what_is_allowed(source, tmp_path):
    shutil.copytree(FAKES, tmp_path / "fakes")
    shutil.copy(Path(FAKES, "small_backbones.py"), tmp_path / "fakes/small_backbones.py.keras")
    backbone = of(source, folder=FAKES if ":" in source else str(tmp_path / "fakes"))
    with pytest.raises(ValueError, match=f"model.backbone = '{source}'.*{WRONG[source]}") as error:
        _ = backbone.digest, backbone.num_features
    assert "\n" not in str(error.value)


def test_other_examples_are_refused_with_both_shapes_and_the_settings(file):
    with pytest.raises(
        ValueError,
        match=r"takes examples of shape \(16, 16, 1\), but the tasks "
        r"have \(28, 28, 3\); set task.image_size for it",
    ):
        _ = of(file, (28, 28, 3)).num_features


def test_a_file_that_holds_code_is_not_run(tmp_path):
    """Keras' safe mode, as for models."""
    inputs = keras.Input(SHAPE)
    outputs = keras.layers.Flatten()(keras.layers.Lambda(lambda x: x + 1)(inputs))
    keras.Model(inputs, outputs).save(tmp_path / "code.keras")
    with pytest.raises(ValueError, match=r"cannot be loaded as a Keras model.*lambda"):
        _ = of(tmp_path / "code.keras").num_features


def test_a_damaged_file_is_refused(file, tmp_path):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 255
    (tmp_path / "damaged.keras").write_bytes(content)
    with pytest.raises(ValueError, match=r"damaged.keras' (is damaged|cannot be loaded)"):
        _ = of(tmp_path / "damaged.keras").digest, of(tmp_path / "damaged.keras").num_features
