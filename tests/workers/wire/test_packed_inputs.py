"""A model of several inputs behind one vector."""

import keras
import numpy as np
import pytest

from workers.models.conv4 import Conv4Model
from workers.models.keras_defaults import keras_defaults
from workers.models.user_source import on_packed
from workers.wire.packed_inputs import (
    PackedShape,
    Part,
    parts_as_dict,
    parts_from_dict,
    shapes_of,
)

PARTS = {"series": Part((3, 2), False), "site": Part((1,), True)}


def model():
    series, site = keras.Input((3, 2), name="series"), keras.Input((1,), name="site")
    known = keras.layers.Flatten()(keras.layers.Embedding(4, 2)(site))
    joined = keras.layers.Concatenate()([keras.layers.Flatten()(series), known])
    return keras.Model([series, site], keras.layers.Dense(2)(joined))


class Subclassed(keras.Model):
    """Its inputs are not declared."""

    def __init__(self):
        super().__init__()
        self.dense = keras.layers.Dense(2)

    def call(self, inputs):
        return self.dense(keras.ops.mean(inputs["series"], axis=1))


def test_a_shape_adds_up_and_goes_through_json():
    shape = PackedShape.of(PARTS)
    assert shape == (7,)
    assert parts_from_dict(parts_as_dict(PARTS)) == PARTS
    assert shapes_of(shape) == {"series": (3, 2), "site": (1,)}
    assert shapes_of((4, 4)) == (4, 4)


@keras_defaults()
def test_the_vector_is_cut_as_it_was_packed(tmp_path):
    own = model()
    packed = on_packed(own, PackedShape.of(PARTS), "it")
    series, site = np.random.default_rng(0).normal(size=(5, 3, 2)), np.array([0, 3, 1, 2, 0])
    vector = np.concatenate([series.reshape(5, 6), site[:, None]], axis=1).astype(np.float32)
    answers = np.asarray(packed(vector))
    wanted = np.asarray(own([series.astype(np.float32), site[:, None]]))
    assert np.allclose(answers, wanted)
    assert packed.trainable_variables == own.trainable_variables
    packed.save(tmp_path / "a.keras")
    again = keras.saving.load_model(tmp_path / "a.keras")
    assert np.array_equal(np.asarray(again(vector)), answers)


@keras_defaults()
def test_a_subclassed_model_gets_a_dict():
    packed = on_packed(Subclassed(), PackedShape.of(PARTS), "it")
    assert packed(np.ones((4, 7), np.float32)).shape == (4, 2)


@keras_defaults()
def test_other_inputs_are_refused():
    with pytest.raises(ValueError, match=r"it takes the inputs 'series' .* tasks have 'other'"):
        on_packed(model(), PackedShape.of({"other": Part((7,), False)}), "it")
    with pytest.raises(ValueError, match=r"it cannot be called on a dict of 'other' \[7\]"):
        on_packed(Subclassed(), PackedShape.of({"other": Part((7,), False)}), "it")


def test_conv4_refuses_what_are_no_images():
    with pytest.raises(ValueError, match=r"the tasks have examples of shape \[7\], but .* 'conv4'"):
        Conv4Model().build((7,), 2)
    with pytest.raises(ValueError, match="of 16 pixels or more"):
        Conv4Model(downsample="max_pool").build((8, 8, 1), 2)
