"""A Keras model as a pure function of a list of weights."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.models import conv4, linear, mlp
from workers.protocol import Array
from workers.settings import ModelSettings

Build = Callable[[Any, tuple[int, ...], int], Any]
MODELS: dict[str, Build] = {"linear": linear.build, "mlp": mlp.build, "conv4": conv4.build}


class FunctionalModel:
    """outputs = apply(theta, inputs); theta is a list in the order of `names` and `shapes`."""

    def __init__(self, model: keras.Model):
        self._model = model
        self.names = [variable.path for variable in model.trainable_variables]
        self.shapes = [tuple(variable.shape) for variable in model.trainable_variables]
        self.num_parameters = sum(int(np.prod(shape)) for shape in self.shapes)

    def apply(self, theta: Sequence[tf.Tensor], inputs: tf.Tensor) -> tf.Tensor:
        """Differentiable in theta, to any order that the layers support."""
        outputs, _ = self._model.stateless_call(
            list(theta), self._model.non_trainable_variables, inputs, training=True
        )
        return outputs

    def weights(self) -> list[Array]:
        """The weights the model was built with."""
        return [variable.numpy() for variable in self._model.trainable_variables]

    def split(self, vector: tf.Tensor) -> list[tf.Tensor]:
        """[parameters] -> theta, inside a graph."""
        parts = tf.split(vector, [int(np.prod(shape)) for shape in self.shapes])
        return [tf.reshape(part, shape) for part, shape in zip(parts, self.shapes, strict=True)]


def make_model(
    settings: ModelSettings, input_shape: tuple[int, ...], num_outputs: int
) -> FunctionalModel:
    """Build the architecture of `settings.kind`. Its weights are whatever Keras drew."""
    return FunctionalModel(MODELS[settings.kind](settings, input_shape, num_outputs))


def initial_theta(
    settings: ModelSettings, input_shape: tuple[int, ...], num_outputs: int, seed: int
) -> list[Array]:
    """theta before any training: the one place where a global seed is set.

    Keras draws unseeded initializers from global state, so this runs once, in the driver; all
    others get theta over the wire or from the checkpoint of step 0.
    """
    keras.utils.set_random_seed(seed)
    return make_model(settings, input_shape, num_outputs).weights()
