"""Derivatives are checked in the mode in which a run computes them."""

import contextlib

import pytest
import tensorflow as tf
from keras import layers
from test_second_derivative import SHAPE, stack

from workers.execution import compiled
from workers.model_checks import as_compiled
from workers.model_checks.second_derivative import Verdict, check_second_derivative

MODES = [("map", False), ("map", True), ("vectorized", False), ("vectorized", True)]


def check(model, execution):
    return check_second_derivative(model, SHAPE, True, None, execution)


class Spectrum(layers.Layer):
    """Roots and phases of a spectrum."""

    def call(self, inputs):
        numbers = tf.signal.rfft(inputs)
        return tf.concat([tf.math.real(tf.sqrt(numbers)), tf.math.angle(numbers)], -1)


ALL = {
    "maxima, normalized": lambda: [
        layers.Conv2D(3, 3, padding="same"),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.MaxPooling2D(),
        layers.Dropout(0.2),
        layers.LayerNormalization(),
    ],
    "bilinear": lambda: [
        layers.Conv2D(2, 3),
        layers.UpSampling2D(2, interpolation="bilinear"),
        layers.Resizing(5, 5),
    ],
    "recurrent, and of a spectrum": lambda: [
        layers.Reshape((8, 8)),
        layers.Dense(4),
        Spectrum(),
        layers.RMSNormalization(),
        layers.Activation("gelu"),
        layers.LSTM(3),
    ],
}


@pytest.mark.parametrize(
    ("name", "execution"),
    [
        (name, mode)
        if mode[1] == (name != "bilinear") and mode[0] == "map"
        else pytest.param(name, mode, marks=pytest.mark.slow)
        for name in ALL
        for mode in MODES
    ],
)
@pytest.mark.quick("maxima, normalized-execution1", "bilinear-execution4")
def test_what_is_right_is_let_through_in_each_mode(name, execution):
    # The gradient of LSTM's loop goes neither through XLA nor through a vectorized map.
    loops = name.startswith("recurrent") and execution != ("map", False)
    expected = Verdict(unchecked=["LSTM"]) if loops else Verdict()
    assert check(stack(*ALL[name]()), execution) == expected


class Block(layers.Layer):
    """A layer that calls another, and computes by itself."""

    def __init__(self, **options):
        super().__init__(**options)
        self.inner = layers.Conv2D(5, 3)

    def call(self, inputs):
        return tf.nn.max_pool2d(self.inner(inputs), 2, 2, "VALID")


def test_what_cannot_be_compiled_by_itself_is_said(monkeypatch):
    def refuses(calls, execution):
        if any(isinstance(call.layer, layers.Conv2D) for call in calls):
            raise tf.errors.UnimplementedError(None, None, "no kernel of XLA")
        return in_a_graph(calls, execution)

    in_a_graph = as_compiled._in_a_graph
    monkeypatch.setattr(as_compiled, "_in_a_graph", refuses)
    verdict = check(stack(layers.Conv2D(2, 3), layers.ReLU()), ("map", False))
    assert verdict == Verdict(unchecked=["Conv2D"])


@pytest.fixture
def tensorflows_own(monkeypatch):
    """Compile with TensorFlow's own derivatives."""
    monkeypatch.setattr(compiled, "exact_derivatives", lambda xla: contextlib.nullcontext())


@pytest.mark.parametrize(
    ("layer", "order"),
    [
        (layers.MaxPooling2D, "second"),
        (Block, "second"),
        (Spectrum, "first"),
    ],
)
@pytest.mark.quick("MaxPooling2D-second", "Spectrum-first")
def test_what_is_wrong_under_xla_alone_is_found_there(tensorflows_own, layer, order):
    model = stack(layers.Conv2D(5, 3), layer(name="culprit"))
    verdict = check(model, ("map", True))
    assert verdict.layer.name == "culprit"
    assert f"a wrong {order} derivative under XLA" in verdict.reason
    assert check(model, ("map", False)) == Verdict()
