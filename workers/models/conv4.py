"""The four-layer convolutional network of the few-shot field.

Source: Vinyals et al. 2016 (arXiv:1606.04080); strided for Omniglot as in Finn et al. 2017.
"""

import keras

from workers.models.normalization import make_normalization
from workers.settings.models import Conv4Model


def build(settings: Conv4Model, input_shape: tuple[int, ...], num_outputs: int) -> keras.Model:
    """[batch, height, width, channels] -> [batch, num_outputs]."""
    strided = settings.downsample == "stride"
    inputs = keras.Input(input_shape)
    hidden = inputs
    for i in range(4):
        hidden = keras.layers.Conv2D(
            settings.filters,
            3,
            strides=2 if strided else 1,
            padding="same",
            use_bias=settings.normalization == "none",
            name=f"conv{i}",
        )(hidden)
        hidden = make_normalization(settings, f"normalization{i}")(hidden)
        hidden = keras.layers.ReLU(name=f"relu{i}")(hidden)
        if not strided:
            hidden = keras.layers.MaxPooling2D(2, name=f"pool{i}")(hidden)
    if settings.readout == "flatten":
        hidden = keras.layers.Flatten(name="flatten")(hidden)
    else:
        hidden = keras.layers.GlobalAveragePooling2D(name="mean")(hidden)
    return keras.Model(inputs, keras.layers.Dense(num_outputs, name="head")(hidden))
