import keras
import numpy as np
import pytest
from keras import layers

from workers.export.plain_keras import save_and_load
from workers.export.shared_layers import shared_layer, untied


def shared_with_a_submodel(nested=False):
    """One Dense layer within a submodel, and after it."""
    dense = layers.Dense(4, name="twice")
    inner = keras.Input((4,))
    submodel = keras.Model(inner, layers.ReLU()(dense(inner)), name="inner")
    if nested:
        between = keras.Input((4,))
        submodel = keras.Model(between, submodel(between), name="between")
    inputs = keras.Input((4,))
    return keras.Model(inputs, layers.Dense(2)(dense(submodel(inputs))), name="outer")


def shared_within_a_model():
    dense, inputs = layers.Dense(4), keras.Input((4,))
    return keras.Model(inputs, dense(dense(inputs)))


def a_submodel_that_is_called_twice():
    inner, inputs = keras.Input((4,)), keras.Input((4,))
    submodel = keras.Model(inner, layers.Dense(4)(inner))
    return keras.Model(inputs, submodel(submodel(inputs)))


X = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)


@pytest.mark.parametrize("nested", [False, True])
def test_an_export_names_a_layer_of_a_model_and_a_submodel(tmp_path, nested):
    model = shared_with_a_submodel(nested)
    message = r"the layer 'twice' is in '(inner|outer)' and in '(inner|outer)', and Keras' files"
    with pytest.raises(ValueError, match=message):
        save_and_load(model)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("nested", [False, True])
def test_a_model_that_only_answers_is_saved_with_a_layer_for_each(tmp_path, nested):
    model = shared_with_a_submodel(nested)
    loaded, _ = save_and_load(untied(model))
    np.testing.assert_array_equal(loaded(X), model(X))


@pytest.mark.parametrize("make", [shared_within_a_model, a_submodel_that_is_called_twice])
def test_what_is_shared_within_one_model_is_saved_as_it_is(tmp_path, make):
    model = make()
    assert shared_layer(model) is None
    np.testing.assert_array_equal(save_and_load(model)[0](X), model(X))
