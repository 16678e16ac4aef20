"""The check of second derivatives by comparison with finite differences."""

import contextlib

import keras
import numpy as np
import pytest
import tensorflow as tf
import user_models
from keras import layers

from workers.model_checks import second_derivative
from workers.model_checks.second_derivative import (
    Verdict,
    check_second_derivative,
    survey_second_derivatives,
)
from workers.models.conv4 import Conv4Model
from workers.models.mlp import MlpModel
from workers.models.registry import make_model

SHAPE = (8, 8, 1)
CONV4, MLP = Conv4Model(filters=4), MlpModel(hidden=(8,))


def stack(*inner):
    """A model of the layers in turn, then a head."""
    return keras.Sequential([keras.Input(SHAPE), *inner, layers.Flatten(), layers.Dense(3)])


class Halved(layers.Layer):
    """A layer with a float32 constant, which computes in float32 alone."""

    def call(self, inputs):
        return inputs * tf.constant(0.5)


class Forgetful(layers.Layer):
    """A layer with a right first derivative, and a constant in place of the second."""

    def __init__(self):
        super().__init__(name="forgetful")

    def call(self, inputs):
        @tf.custom_gradient
        def square(x):
            return x * x, lambda upstream: upstream * 2 * tf.stop_gradient(x)

        return square(inputs)


RIGHT = {
    "convolutions": lambda: stack(
        layers.Conv2D(4, 3), layers.ReLU(), layers.MaxPooling2D(), layers.DepthwiseConv2D(2)
    ),
    "normalizations and dropout": lambda: stack(
        layers.Conv2D(4, 3),
        layers.BatchNormalization(),
        layers.GroupNormalization(2),
        layers.Dropout(0.3),
        layers.LayerNormalization(),
    ),
    "recurrent": lambda: stack(layers.Reshape((8, 8)), layers.LSTM(4)),
    "nested": lambda: stack(stack(layers.Conv2D(2, 3)), layers.Activation("gelu")),
    "subclassed": lambda: stack(layers.Flatten(), user_models.Subclassed(4)),
    "augmented pictures": lambda: stack(layers.RandomRotation(0.1), layers.Conv2D(2, 3)),
    "resized pictures": lambda: stack(layers.Resizing(4, 4), layers.Conv2D(2, 3)),
    "resizing and maxima": lambda: stack(
        layers.Conv2D(2, 3),
        layers.Resizing(7, 5),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.MaxPooling2D(3, 2, padding="same"),
        layers.AdaptiveMaxPooling2D((2, 2)),
    ),
}
WRONG = {
    "forgetful": lambda: stack(layers.Conv2D(2, 3), Forgetful()),
    "behind a layer of float32": lambda: stack(Halved(), layers.Conv2D(2, 3), Forgetful()),
    "nested": lambda: stack(stack(layers.Conv2D(2, 3), Forgetful())),
}


def check(model):
    return check_second_derivative(model, SHAPE, batch_statistics=True)


class Turned(layers.Layer):
    """A cyclic shift whose gradient is itself, where it should be the shift back."""

    def call(self, inputs):
        @tf.custom_gradient
        def turned(x):
            return tf.roll(x, 1, -2), turned

        return turned(inputs)


def test_a_wrong_first_derivative_is_found_though_the_second_fits_it():
    verdict = check(stack(layers.Conv2D(2, 3), Turned(name="culprit")))
    assert verdict.layer.name == "culprit"
    assert "a wrong first derivative" in verdict.reason


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.quick(
    "convolutions", "nested", "augmented pictures", "resized pictures", "normalizations and dropout"
)
def test_what_is_right_is_let_through(name):
    assert check(RIGHT[name]()) == Verdict()


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_found_and_named(name):
    verdict = check(WRONG[name]())
    assert "second derivative" in verdict.reason
    assert verdict.layer.name == "forgetful"


def test_what_does_not_compute_in_float64_is_said():
    verdict = check(stack(layers.Conv2D(2, 3), Halved()))
    assert verdict == Verdict(unchecked=["Halved"])


@pytest.mark.parametrize("kind", ["BatchNormalization", "LayerNormalization"])
def test_control_keras_own_moments_are_found(monkeypatch, kind):
    monkeypatch.setattr(
        second_derivative, "exact_normalization", lambda _: contextlib.nullcontext()
    )
    model = stack(layers.Conv2D(4, 3), getattr(layers, kind)())
    assert type(check(model).layer).__name__ == kind


@pytest.mark.slow
def test_a_model_is_as_it_was_after_it_was_looked_at():
    model = RIGHT["normalizations and dropout"]()
    inputs = np.random.default_rng(0).normal(size=(3, *SHAPE)).astype(np.float32)
    weights, outputs = [w.copy() for w in model.get_weights()], model(inputs).numpy()
    check(model)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    for before, after in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)
    np.testing.assert_array_equal(model(inputs), outputs)


def survey(model, shape=SHAPE):
    survey_result = survey_second_derivatives(model, shape, batch_statistics=True)
    return [layer.name for layer, _ in survey_result.faults], survey_result


@pytest.mark.parametrize("name", RIGHT)
@pytest.mark.quick("convolutions", "resized pictures", "augmented pictures")
def test_a_survey_finds_nothing_in_what_is_right(name):
    names, survey_result = survey(RIGHT[name]())
    assert names == []
    assert survey_result.unchecked == []
    assert survey_result.num_layers >= 2


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.quick("forgetful")
def test_a_survey_names_the_innermost_layer_alone(name):
    assert survey(WRONG[name]())[0] == ["forgetful"]


def test_a_survey_names_every_layer_at_fault():
    names, survey_result = survey(user_models.reversed_twice((4,), 3), (4,))
    assert names == ["first", "second"]
    assert survey_result.num_layers == 5
    assert all("second derivative" in reason for _, reason in survey_result.faults)


class RightInFloat64(layers.Layer):
    """A layer without a second derivative in float32, as a kernel of that type alone may be."""

    def call(self, inputs):
        @tf.custom_gradient
        def square(x):
            return x * x, lambda upstream: upstream * 2 * tf.stop_gradient(x)

        return square(inputs) if inputs.dtype == tf.float32 else inputs * inputs


def test_what_is_computed_in_float32_is_compared_too():
    model = stack(layers.Conv2D(2, 3), RightInFloat64(name="culprit"))
    verdict = check(model)
    assert verdict.layer.name == "culprit"
    assert "in float32" in verdict.reason
    names, survey_result = survey(model)
    assert names == ["culprit"]
    assert "in float32" in survey_result.faults[0][1]


@pytest.mark.slow
def test_the_shipped_network_with_maxima_is_right_under_xla():
    settings = CONV4.model_copy(update={"downsample": "max_pool"})
    model = make_model(settings, (16, 16, 1), 3).keras_model
    survey_result = survey_second_derivatives(model, (16, 16, 1), True, None, ("map", True))
    assert survey_result.faults == []


@pytest.mark.parametrize(
    ("settings", "normalization"),
    [
        (CONV4, "batch"),
        (MLP, "layer"),
        (MLP, "group"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in [(CONV4, "layer"), (CONV4, "group"), (MLP, "batch"), (CONV4, "none")]
        ),
    ],
)
@pytest.mark.quick("settings2-group", "settings1-layer")
def test_the_shipped_models_are_right_in_both_types(settings, normalization):
    settings = settings.model_copy(update={"normalization": normalization, "groups": 2})
    model = make_model(settings, (16, 16, 1), 3)
    assert survey(model.keras_model, (16, 16, 1))[0] == []
