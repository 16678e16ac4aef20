"""A Keras model as a pure function of lists of arrays."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from workers.models import conv4, linear, mlp
from workers.protocol import Array
from workers.settings.models import ModelSettings

Build = Callable[[Any, tuple[int, ...], int], Any]
MODELS: dict[str, Build] = {"linear": linear.build, "mlp": mlp.build, "conv4": conv4.build}

State = list[tf.Tensor]


class FunctionalModel:
    """outputs, state = apply(theta, state, inputs); each a list in the order of its names.

    theta: the trainable weights (`names`, `shapes`). state: what the layers keep beside them:
    running statistics (`statistics_names`, float32), and the seeds of random layers.
    is_head: for each weight, whether it belongs to the last layer that has any.
    """

    def __init__(self, model: keras.Model):
        self._model = model
        weights = model.trainable_variables
        self.names = [variable.path for variable in weights]
        self.shapes = [tuple(variable.shape) for variable in weights]
        self.num_parameters = sum(int(np.prod(shape)) for shape in self.shapes)
        self._head = self.names[-1].rpartition("/")[0]
        self.is_head = tuple(name.rpartition("/")[0] == self._head for name in self.names)
        self._kept = list(model.non_trainable_variables)
        statistics = [v for v in self._kept if not _is_seed(v)]
        self.statistics_names = [variable.path for variable in statistics]
        self.statistics_shapes = [tuple(variable.shape) for variable in statistics]

    @functools.cached_property
    def parts(self) -> "Parts | None":
        """The model cut in front of its head; None where there is no such place."""
        model = self._model
        heads = [layer for layer in model.layers if layer.path == self._head]
        if len(heads) != 1 or not hasattr(model, "inputs") or isinstance(heads[0].input, list):
            return None
        features = heads[0].input
        try:
            body, head = keras.Model(model.inputs, features), keras.Model(features, model.outputs)
        except ValueError:  # the outputs need more than the features
            return None
        return Parts(FunctionalModel(body), FunctionalModel(head))

    def apply(
        self, theta: Sequence[tf.Tensor], state: State, inputs: tf.Tensor, training: bool = True
    ) -> tuple[tf.Tensor, State]:
        """Outputs and the next state; differentiable in theta, to any order the layers support."""
        outputs, state = self._model.stateless_call(
            list(theta), list(state), inputs, training=training
        )
        return outputs, state

    def start(self, statistics: Sequence[tf.Tensor], seed: tf.Tensor) -> State:
        """The state a task starts with: running statistics, and seeds from int32 [2]."""
        left, number = iter(statistics), 0
        state = []
        for variable in self._kept:
            if _is_seed(variable):
                state.append(tf.cast(tf.stack([seed[0] + number, seed[1]]), variable.dtype))
                number += 1
            else:
                state.append(next(left))
        return state

    def statistics(self, state: State) -> list[tf.Tensor]:
        """The running statistics in `state`: what the carry takes on."""
        return [v for v, variable in zip(state, self._kept, strict=True) if not _is_seed(variable)]

    def initial_weights(self) -> list[Array]:
        """The weights that the model was built with."""
        return [variable.numpy() for variable in self._model.trainable_variables]

    def initial_statistics(self) -> list[Array]:
        """The running statistics that the model was built with."""
        return [variable.numpy() for variable in self._kept if not _is_seed(variable)]


class Parts(NamedTuple):
    """A model as two: its head, and all before it."""

    body: FunctionalModel
    head: FunctionalModel


def _is_seed(variable: Any) -> bool:
    return not keras.backend.is_float_dtype(variable.dtype)


def make_model(
    settings: ModelSettings, input_shape: tuple[int, ...], num_outputs: int
) -> FunctionalModel:
    """Build the architecture of `settings.kind`. Its weights are whatever Keras drew."""
    return FunctionalModel(MODELS[settings.kind](settings, input_shape, num_outputs))
