"""What users write: models for tests to load by 'user_models:NAME'."""

import keras
import tensorflow as tf
from keras import layers


def small(input_shape, num_outputs, width=6):
    """Flat inputs or images; every normalization layer of Keras, and dropout."""
    inputs = keras.Input(input_shape)
    hidden = layers.Dense(width)(layers.Flatten()(inputs))
    hidden = layers.BatchNormalization()(hidden)
    hidden = layers.Activation("tanh")(hidden)
    hidden = layers.Dropout(0.25)(hidden)
    hidden = layers.LayerNormalization()(layers.Dense(width)(hidden))
    hidden = layers.GroupNormalization(groups=2)(hidden)
    return keras.Model(inputs, layers.Dense(num_outputs, name="answer")(hidden))


@keras.saving.register_keras_serializable()
class Subclassed(keras.Model):
    """Its call does not ask whether it trains; its layers must know all the same."""

    def __init__(self, num_outputs=1, **options):
        super().__init__(**options)
        self.num_outputs = num_outputs
        self.hidden = layers.Dense(5)
        self.normalization = layers.BatchNormalization()
        self.dropout = layers.Dropout(0.5)
        self.answer = layers.Dense(num_outputs)

    def call(self, inputs):
        return self.answer(self.dropout(tf.nn.tanh(self.normalization(self.hidden(inputs)))))

    def get_config(self):
        return {**super().get_config(), "num_outputs": self.num_outputs}


def subclassed(num_outputs):
    return Subclassed(num_outputs)


def centred(input_shape, num_outputs):
    """Subtracts the mean over the batch, in a layer that does not say so."""
    inputs = keras.Input(input_shape)
    hidden = layers.Lambda(lambda x: x - keras.ops.mean(x, axis=0))(layers.Flatten()(inputs))
    return keras.Model(inputs, layers.Dense(num_outputs)(hidden))


def centred_features(input_shape, num_outputs):
    """The same behind a layer with weights."""
    inputs = keras.Input(input_shape)
    hidden = layers.Dense(4)(layers.Flatten()(inputs))
    hidden = layers.Lambda(lambda x: x - keras.ops.mean(x, axis=0))(hidden)
    return keras.Model(inputs, layers.Dense(num_outputs)(hidden))


def dropped(input_shape, num_outputs):
    """Dropout, and no normalization."""
    inputs = keras.Input(input_shape)
    hidden = layers.Dropout(0.5)(layers.Dense(16)(layers.Flatten()(inputs)))
    return keras.Model(inputs, layers.Dense(num_outputs)(hidden))


def frozen(input_shape, num_outputs):
    """A layer that does not learn, below one that does."""
    inputs = keras.Input(input_shape)
    hidden = layers.Dense(4, activation="tanh", trainable=False)(inputs)
    return keras.Model(inputs, layers.Dense(num_outputs)(hidden))


def softened(input_shape, num_outputs):
    """A function without a second derivative: first, where it does no harm, and behind a layer."""
    inputs = keras.Input(input_shape)
    hidden = layers.Conv2D(2, 3)(layers.Activation("softsign")(inputs))
    hidden = layers.Activation("softsign", name="softened")(hidden)
    return keras.Model(inputs, layers.Dense(num_outputs)(layers.Flatten()(hidden)))


def softmax(input_shape, num_outputs):
    return keras.Sequential(
        [keras.Input(input_shape), layers.Dense(num_outputs, activation="softmax")]
    )


def three_outputs(input_shape):
    return keras.Sequential([keras.Input(input_shape), layers.Dense(3)])


def one_of_two_outputs(input_shape):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, [layers.Dense(3)(inputs), layers.Dense(3)(inputs)])


def for_pictures():
    return keras.Sequential([keras.Input((32, 32, 3)), layers.Flatten(), layers.Dense(3)])


def no_model():
    return ["a", "list"]


def leaves():
    raise SystemExit(0)


def raises():
    raise RuntimeError("no model today")


def nothing_to_train(input_shape):
    return keras.Sequential([keras.Input(input_shape), layers.Flatten()])


class Noise(layers.Layer):
    """Adds noise that no task's seed decides."""

    def __init__(self, draw):
        super().__init__()
        self.draw = draw

    def call(self, inputs):
        return inputs + self.draw((1, inputs.shape[-1]))


def tensorflows_noise(input_shape, num_outputs):
    return keras.Sequential(
        [keras.Input(input_shape), Noise(tf.random.normal), layers.Dense(num_outputs)]
    )


def global_noise(input_shape, num_outputs):
    return keras.Sequential(
        [keras.Input(input_shape), Noise(keras.random.normal), layers.Dense(num_outputs)]
    )


class Counting(layers.Layer):
    """Counts its calls, which no mean over tasks can stand for."""

    def build(self, input_shape):
        self.count = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="count"
        )

    def call(self, inputs):
        self.count.assign(self.count + 1)
        return inputs


def counting(input_shape, num_outputs):
    return keras.Sequential([keras.Input(input_shape), Counting(), layers.Dense(num_outputs)])


def regularized(input_shape, num_outputs):
    return keras.Sequential(
        [keras.Input(input_shape), layers.Dense(num_outputs, kernel_regularizer="l2")]
    )


class Reversed(layers.Layer):
    """The identity, with a gradient of its own."""

    def call(self, inputs):
        @tf.custom_gradient
        def reverse(x):
            return tf.identity(x), lambda upstream: -upstream

        return reverse(inputs)


def reversed_gradient(input_shape, num_outputs):
    inputs = keras.Input(input_shape)
    hidden = Reversed()(layers.Dense(5, activation="tanh")(inputs))
    return keras.Model(inputs, layers.Dense(num_outputs)(hidden))


def reversed_twice(input_shape, num_outputs):
    """Two layers with a wrong second derivative, and two that are right."""
    inputs = keras.Input(input_shape)
    hidden = Reversed(name="first")(layers.Dense(5, activation="tanh")(inputs))
    hidden = Reversed(name="second")(layers.LayerNormalization()(hidden))
    return keras.Model(inputs, layers.Dense(num_outputs)(hidden))


class Centered(keras.Model):
    """Normalizes by TensorFlow's own moments, in its call."""

    def __init__(self, num_outputs):
        super().__init__()
        self.hidden = layers.Dense(5)
        self.answer = layers.Dense(num_outputs)

    def call(self, inputs):
        hidden = self.hidden(inputs)
        mean, variance = tf.nn.moments(hidden, [0])
        return self.answer((hidden - mean) / tf.sqrt(variance + 1e-3))


def centered(num_outputs):
    return Centered(num_outputs)


def frozen_normalization(input_shape, num_outputs):
    inputs = keras.Input(input_shape)
    hidden = layers.Dense(5, activation="tanh")(inputs)
    hidden = layers.BatchNormalization(trainable=False)(hidden)
    return keras.Model(inputs, layers.Dense(num_outputs)(hidden))


class HeadFirst(keras.Model):
    """Its head is made before its body."""

    def __init__(self, num_outputs):
        super().__init__()
        self.answer = layers.Dense(num_outputs, name="answer")
        self.hidden = layers.Dense(5, name="hidden")

    def call(self, inputs):
        return self.answer(tf.nn.tanh(self.hidden(inputs)))


def head_first(num_outputs):
    return HeadFirst(num_outputs)


class Unsaveable(keras.Model):
    """Keras cannot tell how it was made."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def call(self, inputs):
        return self.answer(inputs)


def unsaveable(num_outputs):
    return Unsaveable(layers.Dense(num_outputs))


def policy(input_shape, num_outputs, *more):
    """Means of actions, then logarithms of their standard deviations; `more` layers between."""
    hidden = [layers.Dense(5, activation="tanh"), layers.LayerNormalization(), *more]
    return keras.Sequential([keras.Input(input_shape), *hidden, layers.Dense(num_outputs)])


def noisy_policy(input_shape, num_outputs):
    return policy(input_shape, num_outputs, layers.Dropout(0.1))


def policy_of_batches(input_shape, num_outputs):
    return policy(input_shape, num_outputs, layers.BatchNormalization())


def half_a_policy(input_shape, num_outputs):
    return policy(input_shape, num_outputs // 2)
