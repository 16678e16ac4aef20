"""A multi-layer perceptron."""

from typing import Any

import keras

from workers.models.normalization import make_normalization
from workers.settings.models import GaussianMlpModel, MlpModel


def build(settings: MlpModel, input_shape: tuple[int, ...], num_outputs: int) -> keras.Model:
    """[batch, *input_shape] -> [batch, num_outputs]."""
    inputs = keras.Input(input_shape)
    hidden = hidden_layers(settings, inputs)
    return keras.Model(inputs, keras.layers.Dense(num_outputs, name="head")(hidden))


def hidden_layers(settings: MlpModel | GaussianMlpModel, inputs: Any) -> Any:
    """[batch, *input_shape] -> what the head sees."""
    hidden = keras.layers.Flatten(name="flatten")(inputs)
    for i, units in enumerate(settings.hidden):
        hidden = keras.layers.Dense(units, name=f"dense{i}")(hidden)
        hidden = make_normalization(settings, f"normalization{i}")(hidden)
        hidden = keras.layers.Activation(settings.activation, name=f"activation{i}")(hidden)
    return hidden
