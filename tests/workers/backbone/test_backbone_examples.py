"""The backbones of docs/ are some."""

import sys

import keras
import numpy as np
from pages import block

from workers.backbone.backbone import Backbone
from workers.models.mlp import MlpModel


def test_the_backbone_of_images_of_the_docs_is_one(tmp_path, monkeypatch):
    def small(input_shape, include_top, pooling):
        assert (include_top, pooling) == (False, "avg")
        return keras.Sequential([keras.Input(input_shape), keras.layers.GlobalAveragePooling2D()])

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(keras.applications, "MobileNetV2", small)  # without its weights' download
    exec(block("image backbone example", "python"), {})
    backbone = Backbone(MlpModel(backbone="mobilenet.keras"), (96, 96, 3))
    black, white = backbone.features(np.stack([np.zeros((96, 96, 3)), np.ones((96, 96, 3))]))
    assert (black.tolist(), white.tolist()) == ([-1, -1, -1], [1, 1, 1])


def test_the_backbone_of_texts_of_the_docs_is_one(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_backbones.py").write_text(block("text backbone example", "python"))
    vectors = np.array([[1, 2], [3, 6]], np.float32)
    np.savez(tmp_path / "vectors.npz", words=np.array(["lost", "card"]), vectors=vectors)
    model = MlpModel(backbone="my_backbones:word_vectors", folder=str(tmp_path))
    backbone = Backbone(model, (7,))
    assert backbone.takes_strings
    features = backbone.features(np.array(["lost card", "Card!", "unknown"]))
    assert features.tolist() == [[2, 4], [3, 6], [0, 0]]
