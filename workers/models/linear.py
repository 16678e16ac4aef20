"""F(x) = Wx + b: the textbook meta-learner, whose MAML gradient has a closed form."""

import keras

from workers.models.normalization import make_normalization
from workers.settings.models import LinearModel


def build(settings: LinearModel, input_shape: tuple[int, ...], num_outputs: int) -> keras.Model:
    """[batch, *input_shape] -> [batch, num_outputs]."""
    inputs = keras.Input(input_shape)
    flat = keras.layers.Flatten(name="flatten")(inputs)
    normalized = make_normalization(settings, "normalization")(flat)
    return keras.Model(inputs, keras.layers.Dense(num_outputs, name="head")(normalized))
