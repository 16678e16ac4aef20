"""The backbone of `backbone.py`, by itself and as the frozen part of a model."""

import keras
from keras import layers

#: Height and width of images, and channels of the convolutions; `backbone.py` may change them.
SIZE, WIDTHS, FEATURES = 84, (64, 128, 256, 512), 1024
HIDDEN = 64


def backbone():
    """Return a convolutional network of 2 M parameters, drawn from a seed."""
    keras.utils.set_random_seed(0)
    hidden = inputs = keras.Input((SIZE, SIZE, 3))
    for width in WIDTHS:
        hidden = layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)(hidden)
        hidden = layers.ReLU()(layers.BatchNormalization()(hidden))
    hidden = layers.GlobalAveragePooling2D()(hidden)
    return keras.Model(inputs, layers.Dense(FEATURES)(hidden))


def through(num_outputs):
    """Return a model that computes the frozen backbone for each image of each task."""
    frozen = backbone()
    frozen.trainable = False
    hidden = layers.Dense(HIDDEN, "relu")(frozen.output)
    return keras.Model(frozen.input, layers.Dense(num_outputs, name="head")(hidden))
