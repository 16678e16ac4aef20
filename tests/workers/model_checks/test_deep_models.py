"""The check of second derivatives on deep networks, and what it can and cannot conclude."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from workers.model_checks import alike, second_derivative
from workers.model_checks.alike import first_of_each, is_graph
from workers.model_checks.hessian import compare, record_calls
from workers.model_checks.random_inputs import random_inputs
from workers.model_checks.second_derivative import (
    Verdict,
    check_second_derivative,
    survey_second_derivatives,
)

SHAPE = (8, 8, 3)
DEPTH = 5


def bent(x):
    """x squared, without its second derivative."""

    @tf.custom_gradient
    def square(x):
        return x * x, lambda upstream: upstream * 2 * tf.stop_gradient(x)

    return square(x)


class Bent(layers.Layer):
    def call(self, inputs):
        return bent(inputs)


class Residual(layers.Layer):
    """Convolutions and batch normalization over maps of a few pixels, plus the input."""

    def __init__(self, bends=False, **options):
        super().__init__(**options)
        self.inner = [layers.Conv2D(6, 3, padding="same"), layers.BatchNormalization()]
        self.bends = bends

    def call(self, inputs):
        hidden = inputs
        for layer in self.inner:
            hidden = layer(hidden)
        return inputs + (bent(hidden) if self.bends else tf.nn.relu(hidden))


class Deep(keras.Model):
    """A subclassed model, which calls its layers in its own way."""

    def __init__(self, blocks, bends=False):
        super().__init__()
        self.stem = layers.Conv2D(6, 3, strides=4)
        self.blocks, self.bends = blocks, bends
        self.head = layers.Dense(3)

    def call(self, inputs):
        hidden = self.stem(inputs)
        for block in self.blocks:
            hidden = block(hidden)
        hidden = bent(hidden) if self.bends else hidden
        return self.head(tf.reduce_mean(hidden, axis=(1, 2)))


def graph(*inner, of=lambda x: x):
    """A functional model of 1 x 1 maps: DEPTH times convolution, batch norm and relu."""
    inputs = keras.Input(SHAPE)
    hidden = layers.Conv2D(6, 3, strides=8)(inputs)
    for _ in range(DEPTH):
        hidden = layers.Conv2D(6, 1, use_bias=False)(hidden)
        hidden = layers.ReLU()(layers.BatchNormalization()(hidden))
    for layer in inner:
        hidden = layer(hidden)
    return keras.Model(inputs, layers.Dense(3)(layers.Flatten()(of(hidden))))


def check(model, shape=SHAPE):
    model(np.zeros((2, *shape), np.float32))
    return check_second_derivative(model, shape, batch_statistics=True)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["MobileNetV2", "ResNet50"])
def test_a_deep_network_of_keras_that_is_right_is_let_through(name):
    make = getattr(keras.applications, name)
    model = make(weights=None, input_shape=(32, 32, 3), classes=5, classifier_activation=None)
    assert check(model, (32, 32, 3)) == Verdict()


@pytest.mark.parametrize(
    "make",
    [graph, lambda: Deep([Residual() for _ in range(DEPTH)])],
    ids=["graph", "subclassed"],
)
@pytest.mark.quick("graph")
def test_batch_normalization_over_tiny_maps_is_let_through(make):
    keras.utils.set_random_seed(0)
    assert check(make()) == Verdict()


@pytest.mark.parametrize("bends", ["layer", "block", "operation"])
def test_in_a_deep_network_the_layer_at_fault_is_named(bends):
    keras.utils.set_random_seed(0)
    if bends == "layer":
        model, kind = graph(Bent()), "Bent"
    elif bends == "block":
        model, kind = Deep([*(Residual() for _ in range(2)), Residual(bends=True)]), "Residual"
    else:
        model, kind = graph(of=keras.ops.softsign), "Softsign"
    verdict = check(model)
    assert type(verdict.layer).__name__ == kind
    assert "second derivative" in verdict.reason


def test_what_a_subclassed_model_does_itself_is_blamed_on_it():
    keras.utils.set_random_seed(0)
    verdict = check(Deep([Residual()], bends=True))
    assert type(verdict.layer).__name__ == "Deep"


def test_where_no_step_is_small_enough_nothing_is_blamed():
    """A sine of such high frequency that finite differences of any step miss it."""

    class Wild(layers.Layer):
        def call(self, inputs):
            return tf.sin(1e14 * inputs)

    verdict = check(keras.Sequential([layers.Conv2D(2, 3), Wild(), layers.Flatten()]))
    assert verdict == Verdict(unknown=["Wild"])


class Rounding(layers.Layer):
    """A layer that always computes in float32, as users' layers often do."""

    def __init__(self, bends):
        super().__init__()
        self.bends = bends

    def call(self, inputs):
        inputs = tf.cast(inputs, tf.float32)
        return bent(inputs) if self.bends else tf.tanh(inputs) * inputs


@pytest.mark.parametrize("bends", [False, True])
def test_a_layer_that_computes_in_float32_is_compared_with_larger_steps(bends):
    model = keras.Sequential([layers.Conv2D(2, 3), Rounding(bends), layers.Flatten()])
    assert type(check(model).layer).__name__ == ("Rounding" if bends else "NoneType")


def test_of_a_layer_whose_outputs_are_not_finite_nothing_is_known():
    class Log(layers.Layer):
        def call(self, inputs):
            return tf.math.log(-tf.abs(inputs))

    model = keras.Sequential([layers.Flatten(), layers.Dense(2), Log()])
    assert check(model) == Verdict(unknown=["Log"])


@pytest.mark.parametrize(
    ("compute", "named"),
    [(tf.stop_gradient, "Cut"), (tf.round, "NoneType"), (tf.zeros_like, "NoneType")],
)
def test_a_layer_without_a_first_derivative_is_named_unless_it_is_made_of_steps(compute, named):
    class Cut(layers.Layer):
        def call(self, inputs):
            return compute(inputs)

    model = keras.Sequential([layers.Conv2D(2, 3), Cut(), layers.Flatten(), layers.Dense(2)])
    assert type(check(model).layer).__name__ == named


@pytest.mark.parametrize(
    "make",
    [
        lambda: layers.RandomRotation(0.3, seed=1),
        lambda: layers.RandomHue(0.5, value_range=(-1, 1), seed=1),
    ],
)
def test_behind_weights_keras_layers_that_are_wrong_are_named(make):
    culprit = make()
    model = keras.Sequential([layers.Conv2D(3, 3), culprit, layers.Flatten(), layers.Dense(2)])
    assert check(model).layer is culprit


@pytest.mark.slow
def test_alike_layers_of_keras_are_looked_at_once(monkeypatch):
    looked = []
    monkeypatch.setattr(
        second_derivative,
        "compare",
        lambda call, seed: looked.append(type(call.layer).__name__) or compare(call, seed),
    )
    keras.utils.set_random_seed(0)
    assert check(graph()) == Verdict()
    assert {kind: looked.count(kind) for kind in looked} == {
        "Conv2D": 2,
        "BatchNormalization": 1,
        "ReLU": 1,
        "Flatten": 1,
        "Dense": 1,
    }


def test_what_is_looked_at_is_bounded_by_work_cheap_layers_first(monkeypatch):
    monkeypatch.setattr(alike, "_BUDGET", 1_000_100)
    inner = [layers.Dense(400), Bent(), layers.Dense(4), layers.Flatten()]
    assert check(keras.Sequential([layers.Flatten(), *inner])) == Verdict(
        too_large=["Bent", "Dense"]
    )
    monkeypatch.undo()
    assert type(check(keras.Sequential([layers.Flatten(), *inner])).layer).__name__ == "Bent"


def test_layers_are_alike_only_if_they_compute_the_same():
    double, square = (lambda x: 2 * x), (lambda x: x * x)
    inner = [
        layers.Dense(4, activation="tanh"),
        layers.Dense(4, activation="tanh", name="another"),
        layers.Dense(4, activation="relu"),
        layers.Dense(4, activation="tanh", use_bias=False),
        layers.Lambda(double),
        layers.Lambda(square),
        layers.Activation(double),
        layers.Activation(square),
        Bent(),
        Bent(),
        layers.Dense(5, activation="tanh"),
        layers.Dense(4, activation="tanh"),  # of 5 inputs
    ]
    model = keras.Sequential([keras.Input((4,)), layers.Dense(4), *inner])
    calls = record_calls(model, random_inputs((4,), None, 3))[:-1]
    left = [calls.index(call) for call in first_of_each(calls)]
    assert left == [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]


def test_a_graph_is_a_model_that_only_calls_its_layers():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    class OwnSequence(keras.Sequential):
        def call(self, inputs, training=None):
            return bent(super().call(inputs))

    inputs = keras.Input((4,))
    assert is_graph(keras.Model(inputs, layers.Dense(1)(inputs)))
    assert is_graph(keras.Sequential([layers.Dense(1)]))
    assert not is_graph(Own())
    assert not is_graph(OwnSequence([layers.Dense(1)]))
    assert not is_graph(layers.Dense(1))


def test_a_survey_says_what_is_unknown():
    class Wild(layers.Layer):
        def call(self, inputs):
            return tf.sin(1e14 * inputs)

    model = keras.Sequential([layers.Conv2D(2, 3), Wild(), layers.Flatten()])
    model(np.zeros((2, *SHAPE), np.float32))
    survey_result = survey_second_derivatives(model, SHAPE, batch_statistics=True)
    assert (survey_result.faults, survey_result.unknown, survey_result.num_layers) == (
        [],
        ["Wild"],
        3,
    )
