"""An adapted model as an ONNX file: onnxruntime answers as Keras does, or nothing is written."""

import keras
import numpy as np
import pytest

from workers.export import onnx_file, onnx_packages
from workers.tasks.scaling import ExampleScaling, Scaling
from workers.wire.errors import MetatrainError


@pytest.fixture
def model(tmp_path):
    """A network for images, and its .keras file."""
    layers = keras.layers
    made = keras.Sequential(
        [
            keras.Input((8, 8, 1)),
            layers.Conv2D(4, 3, strides=2, padding="same"),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.GlobalAveragePooling2D(),
            layers.Dense(3),
        ]
    )
    made.save(tmp_path / "a.keras")
    return made, (tmp_path / "a.keras").read_bytes()


@pytest.fixture
def images():
    return np.random.default_rng(0).random((5, 8, 8, 1), np.float32)


def test_onnxruntime_answers_as_keras_does(model, images):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    made, content = model
    session = onnxruntime.InferenceSession(onnx_file.as_saved(".onnx", content, images, None))
    (taken,) = session.get_inputs()
    for count in (1, 5):  # any number of queries
        (outputs,) = session.run(None, {taken.name: images[:count]})
        np.testing.assert_allclose(outputs, made(images[:count]), atol=1e-5)


def test_a_file_that_answers_otherwise_is_not_given_out(model, images, monkeypatch):
    pytest.importorskip("tf2onnx")
    monkeypatch.setattr(onnx_file, "_answers", lambda content, inputs: np.ones((5, 3)))
    with pytest.raises(MetatrainError, match=r"answers otherwise than Keras, by .*nothing was"):
        onnx_file.as_saved(".onnx", model[1], images, None)


def test_queries_are_in_the_units_of_the_file(monkeypatch):
    taken = []
    monkeypatch.setattr(onnx_file, "check_packages", lambda suffix: None)
    monkeypatch.setattr(onnx_file, "as_onnx", lambda content, inputs: taken.append(inputs) or b"o")
    scaling = ExampleScaling(Scaling(np.array([3.0]), np.array([2.0])), None)
    queries = np.array([[1.0], [-1.0]], np.float32)
    assert onnx_file.as_saved(".onnx", b"k", queries, scaling) == b"o"
    np.testing.assert_allclose(taken[0], [[5.0], [1.0]])
    assert onnx_file.as_saved(".keras", b"k", queries, scaling) == b"k"


def test_a_missing_package_is_told_in_a_line(monkeypatch):
    monkeypatch.setattr(onnx_packages.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs tf2onnx, which is not installed; install it: pip"):
        onnx_packages.check_packages(".onnx")
    onnx_packages.check_packages(".keras")
