"""Models that end in what the loss applies itself."""

import keras
import pytest
import tensorflow as tf

from workers.model_checks.end_activation import ends_in


def model(*layers):
    return keras.Sequential([keras.Input((2,)), *layers])


def said(activation, *layers):
    built = model(*layers)
    return ends_in(activation, built, built(tf.constant([[1.0, 2.0], [0.5, -3.0]])))


@pytest.mark.parametrize(
    ("activation", "layers", "expected"),
    [
        ("softmax", [keras.layers.Dense(3, "softmax")], True),
        ("softmax", [keras.layers.Dense(3), keras.layers.Softmax()], True),
        ("softmax", [keras.layers.Dense(3)], False),
        ("sigmoid", [keras.layers.Dense(3, "sigmoid")], True),
        ("sigmoid", [keras.layers.Dense(3), keras.layers.Activation("sigmoid")], True),
        ("sigmoid", [keras.layers.Dense(3, "sigmoid"), keras.layers.Dense(2)], False),
        ("", [keras.layers.Dense(3, "softmax")], False),
    ],
)
def test_it_is_seen_where_the_loss_takes_logits(activation, layers, expected):
    assert said(activation, *layers) == expected
