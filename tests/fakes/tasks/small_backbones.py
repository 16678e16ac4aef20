"""Small frozen backbones for tests to load by 'small_backbones:NAME', and files of them."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

#: Features far enough from each other to tell examples apart.
_WIDE = keras.initializers.RandomNormal(stddev=1.0, seed=1)


def images(size=16, channels=1, features=6):
    """What a mean over the batch, dropout or another place in the batch would change."""
    inputs = keras.Input((size, size, channels))
    hidden = layers.Conv2D(4, 3, strides=2)(inputs)
    hidden = layers.Dropout(0.5)(layers.ReLU()(layers.BatchNormalization()(hidden)))
    hidden = layers.Dense(features, kernel_initializer=_WIDE)(layers.Flatten()(hidden))
    return keras.Model(inputs, hidden)


def ids(length=7):
    """Token ids to a vector."""
    inputs = keras.Input((length,), dtype="int32")
    return keras.Model(
        inputs,
        layers.GlobalAveragePooling1D()(
            layers.Embedding(20_000, 5, embeddings_initializer=_WIDE)(inputs)
        ),
    )


def strings():
    """Texts to a vector, with a vocabulary of its own."""
    words = ["please", "bring", "and", "at", *(f"{w}0" for w in ("apple", "bread", "cheese"))]
    vectorize = layers.TextVectorization(
        output_mode="int", output_sequence_length=8, vocabulary=words
    )
    inputs = keras.Input((1,), dtype="string")
    hidden = layers.Embedding(len(words) + 2, 5, embeddings_initializer=_WIDE)(vectorize(inputs))
    return keras.Model(inputs, layers.GlobalAveragePooling1D()(hidden))


def maps():
    """No vector."""
    return keras.Sequential([keras.Input((16, 16, 1)), layers.Conv2D(2, 3)])


def two():
    """Two inputs."""
    inputs = [keras.Input((16, 16, 1)), keras.Input((16, 16, 1))]
    return keras.Model(inputs, layers.Flatten()(layers.Add()(inputs)))


def several():
    """Two outputs."""
    inputs = keras.Input((16, 16, 1))
    flat = layers.Flatten()(inputs)
    return keras.Model(inputs, {"a": flat, "b": flat})


def not_finite():
    """Inf for examples that are not black."""
    grow = [layers.Rescaling(1e30), layers.Rescaling(1e30)]
    return keras.Sequential([keras.Input((16, 16, 1)), layers.Flatten(), *grow])


def noisy():
    """Random in prediction too."""
    inputs = keras.Input((16, 16, 1))
    noise = layers.Lambda(lambda x: x + tf.random.normal(tf.shape(x)), output_shape=(16, 16, 1))
    return keras.Model(inputs, layers.Flatten()(noise(inputs)))


def integers():
    """No floating-point numbers."""
    inputs = keras.Input((16, 16, 1))
    return keras.Model(inputs, keras.ops.cast(layers.Flatten()(inputs), "int32"))


def fails():
    """Raises."""
    raise RuntimeError("no weights here")


def nothing():
    """No model."""
    return [1]


class Halves(keras.Model):
    """Declares no inputs; its class is the module's own."""

    def call(self, inputs):
        return tf.reshape(inputs, [tf.shape(inputs)[0], 256]) / 2


def subclassed():
    """A model without declared inputs."""
    return Halves()


def saved(file, make=images, seed=3, **options):
    """Save a backbone with its weights drawn from `seed`; return the file."""
    keras.utils.set_random_seed(seed)
    model = make(**options)
    for weight in model.weights:  # also those that begin as 0 or 1
        value = np.asarray(weight)
        if value.dtype == np.float32:
            weight.assign(value + np.random.default_rng(seed).uniform(0.1, 0.5, value.shape))
    model.save(file)
    return file
