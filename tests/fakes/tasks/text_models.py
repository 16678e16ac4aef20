"""A user's models of texts to go on with."""

import keras
from keras import layers


def _ahead(input_shape, num_outputs, num_tokens, padding):
    ids = keras.Input(input_shape, dtype="int32")
    hidden = layers.Embedding(num_tokens, 4)(ids)
    hidden = layers.Conv1D(8, 3, padding=padding, activation="relu")(hidden)
    return keras.Model(ids, layers.Dense(num_outputs)(hidden))


def causal(input_shape, num_outputs, num_tokens):
    """Sees the last three tokens."""
    return _ahead(input_shape, num_outputs, num_tokens, "causal")


def peeking(input_shape, num_outputs, num_tokens):
    """Sees the next one too."""
    return _ahead(input_shape, num_outputs, num_tokens, "same")


def of_texts(input_shape, num_outputs, num_tokens):
    """One answer for the whole text."""
    ids = keras.Input(input_shape, dtype="int32")
    hidden = layers.GlobalAveragePooling1D()(layers.Embedding(num_tokens, 4)(ids))
    return keras.Model(ids, layers.Dense(num_outputs)(hidden))


def of_few_tokens(input_shape, num_outputs, num_tokens):
    """Knows half of them."""
    return _ahead(input_shape, num_outputs, num_tokens // 2, "causal")


def with_softmax(input_shape, num_outputs, num_tokens):
    """Gives probabilities."""
    model = causal(input_shape, num_outputs, num_tokens)
    return keras.Model(model.inputs, layers.Softmax()(model.outputs[0]))


def encoder(input_shape, num_tokens, units=6):
    """A vector of a text."""
    ids = keras.Input(input_shape, dtype="int32")
    vectors = layers.GlobalAveragePooling1D()(layers.Embedding(num_tokens, units)(ids))
    return keras.Model(ids, vectors)


def unpooled(input_shape, num_tokens):
    """A vector of each token."""
    ids = keras.Input(input_shape, dtype="int32")
    return keras.Model(ids, layers.Embedding(num_tokens, 4)(ids))
