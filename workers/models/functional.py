"""A Keras model as a pure function of lists of arrays."""

import functools
import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from workers.execution.micro_batch import apply_by_micro_batches
from workers.models.cut import features_of
from workers.models.exact_normalization import exact_normalization
from workers.models.keras_defaults import keras_defaults
from workers.models.names import fresh_names, unique_paths
from workers.wire.protocol import Array

State = list[tf.Tensor]


class FunctionalModel:
    """A Keras model as the function `outputs, state = apply(theta, state, inputs)`.

    theta is the list of trainable weights. state is the list of what a call changes beside them:
    running statistics (float), and the seeds of random layers. What never changes, such as frozen
    weights, stays in the Keras model.

    names, shapes: of the trainable weights.
    layers: for each weight, the path of its layer.
    statistics_names, statistics_shapes: of the running statistics.
    input_shape: of an example.
    num_parameters: numbers in theta.
    is_head: for each weight, whether it belongs to the head: the last layer with weights, or the
      one that was named.
    adapts: for each weight, whether an inner loop may change it: all weights, or if the model has
      adapters, only theirs.
    micro_batch: examples that are computed at a time; None: all.
    takes_features: inputs are another model's outputs, in which the loss is differentiated too.
    """

    micro_batch: int | None = None
    takes_features = False

    def __init__(
        self,
        model: keras.Model,
        input_shape: tuple[int, ...],
        running: bool = False,
        head: str | Sequence[str] | None = None,
        adapters: tuple[str, ...] = (),
    ):
        """Wrap a built model.

        Args:
          input_shape: of one example.
          running: BatchNormalization keeps running statistics, and uses them outside training.
          head: name of the head layer, or names of several that form the head; None: the last
            layer with weights.
          adapters: suffixes of the names of adapter layers; empty: there are none.
        Raises:
          ValueError: the model has no trainable weights, no layer is called `head`, or a call
            changes variables that cannot be carried.
        """
        self._model, self.input_shape, self.running = model, input_shape, running
        self._weights = list(model.trainable_variables)
        if not self._weights:
            raise ValueError(f"the model {model.name!r} has no trainable weights")
        self.names = unique_paths(self._weights)
        self.shapes = [tuple(variable.shape) for variable in self._weights]
        self.num_parameters = sum(int(np.prod(shape)) for shape in self.shapes)
        self.layers = [name.split("#")[0].rpartition("/")[0] for name in self.names]
        named = [head] if isinstance(head, str) else head
        self._heads = [_find(name, self.layers) for name in named] if named else [self.layers[-1]]
        self.is_head = tuple(layer in self._heads for layer in self.layers)
        self.adapts = tuple(not adapters or layer.endswith(adapters) for layer in self.layers)
        self._changing = self._find_changing()
        statistics = [variable for variable in self._changing if not _is_seed(variable)]
        self.statistics_names = unique_paths(statistics)
        self.statistics_shapes = [tuple(variable.shape) for variable in statistics]

    @property
    def keras_model(self) -> keras.Model:
        """The Keras model. Its own weights are those that it was built with."""
        return self._model

    @property
    def head(self) -> str:
        """The name of the head layer, or of the last of its layers."""
        return self._heads[-1].rpartition("/")[2]

    @property
    def draws(self) -> bool:
        """Whether layers draw random numbers, from seeds in the state."""
        return any(map(_is_seed, self._changing))

    @property
    def features(self) -> list[Any] | None:
        """What the head gets, as symbolic tensors; None if the model cannot be cut there."""
        model = self._model
        if all(self.is_head) or not hasattr(model, "inputs"):
            return None
        heads = [layer for layer in model.layers if layer.path in self._heads]
        # Else a head is inside a layer that is itself a model.
        return features_of(model, heads) if len(heads) == len(self._heads) else None

    @functools.cached_property
    def parts(self) -> "Parts | None":
        """The model cut in front of its head; None if it cannot be cut.

        A model with random layers cannot: the features of an example differ from call to call.
        """
        model, tensors = self._model, self.features
        if self.draws or tensors is None:
            return None
        if len(tensors) > 1 and model.non_trainable_variables:
            return None
        features = tensors if len(tensors) > 1 else tensors[0]
        with fresh_names(), keras_defaults():
            body, head = keras.Model(model.inputs, features), keras.Model(features, model.outputs)
        parts = Parts(
            FunctionalModel(body, self.input_shape, self.running),
            FunctionalModel(head, tuple(tensors[0].shape[1:]), self.running),
            len(tensors),
        )
        parts.body.micro_batch = parts.head.micro_batch = self.micro_batch
        parts.head.takes_features = True
        return None if parts.head._changing else parts

    def apply(
        self,
        theta: Sequence[tf.Tensor],
        state: State,
        inputs: tf.Tensor,
        training: bool = True,
        real: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, State]:
        """Compute outputs and the next state; differentiable in theta to the layers' order.

        Args:
          theta: list of float [*shape_i].
          state: as `start` or the last call returned it.
          inputs: [n, *input_shape].
          training: for layers that depend on it: dropout, running statistics.
          real: bool [n], which inputs are none of padding; None: all. Of the others nothing is
            in statistics over the batch.
        """
        number = tf.nest.flatten(inputs)[0].shape[0]
        if self.micro_batch is not None and number > self.micro_batch:
            return self._apply_by_micro_batches(theta, state, inputs, training)
        outputs, variables = self._call(theta, self._changing, state, inputs, training, real)
        return outputs, [variables.get_current_value(variable) for variable in self._changing]

    def _apply_by_micro_batches(
        self, theta: Sequence[tf.Tensor], state: State, inputs: tf.Tensor, training: bool
    ) -> tuple[tf.Tensor, State]:
        def call(theta: Sequence[tf.Tensor], state: State, inputs: Any) -> Any:
            return self._call(theta, self._changing, state, inputs, training)[0]

        assert self.micro_batch is not None
        of_features = self.takes_features
        return apply_by_micro_batches(call, theta, state, inputs, self.micro_batch, of_features)

    def start(self, statistics: Sequence[tf.Tensor], seed: tf.Tensor) -> State:
        """Make the state that a task starts with: running statistics, and seeds from int32 [2]."""
        remaining, number = iter(statistics), 0
        state = []
        for variable in self._changing:
            if _is_seed(variable):
                state.append(tf.cast(tf.stack([seed[0] + number, seed[1]]), variable.dtype))
                number += 1
            else:
                state.append(next(remaining))
        return state

    def statistics(self, state: State) -> list[tf.Tensor]:
        """Select the running statistics in `state`, which become part of the carry."""
        pairs = zip(state, self._changing, strict=True)
        return [value for value, variable in pairs if not _is_seed(variable)]

    @property
    def plain(self) -> "FunctionalModel":
        """The model that predicts after adaptation, with the weights and statistics of `settled`.

        It is this model, unless its weights depend on the inner step.
        """
        return self

    def stepped(self, state: State) -> State:
        """Return the state in the next inner step."""
        return state

    def asked(self, state: State) -> State:
        """Return the state for a call on queries after the inner steps so far."""
        return state

    def settled(self, theta: Sequence[tf.Tensor], state: State) -> tuple[Any, Any]:
        """Return the weights and running statistics of `plain` after the inner steps so far."""
        return list(theta), self.statistics(state)

    def initial_weights(self) -> list[Array]:
        """Return the weights that the model was built with."""
        return [variable.numpy() for variable in self._weights]

    def initial_statistics(self) -> list[Array]:
        """Return the running statistics that the model was built with."""
        return [variable.numpy() for variable in self._changing if not _is_seed(variable)]

    def assign(self, theta: Sequence[tf.Tensor], statistics: Sequence[tf.Tensor]) -> None:
        """Set the model's own weights and running statistics, which `initial_*` then return."""
        changing = [variable for variable in self._changing if not _is_seed(variable)]
        for variable, value in zip([*self._weights, *changing], [*theta, *statistics], strict=True):
            variable.assign(value)

    def frozen_sha256(self) -> str:
        """Compute the identity of the variables that never change, such as frozen weights."""
        digest = hashlib.sha256()
        changing = {id(variable) for variable in self._changing}
        for variable in self._model.non_trainable_variables:
            if id(variable) not in changing:
                digest.update(f"{variable.dtype} {tuple(variable.shape)} ".encode())
                digest.update(variable.numpy().tobytes())
        return digest.hexdigest()

    def _call(
        self,
        theta: Sequence[tf.Tensor],
        variables: Sequence[Any],
        state: State,
        inputs: tf.Tensor,
        training: bool,
        real: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, Any]:
        """Compute outputs, and the scope with the new values of the variables."""
        mapping = [*zip(self._weights, theta, strict=True), *zip(variables, state, strict=True)]
        with (
            keras_defaults(),
            exact_normalization(batch_statistics=not self.running, real=real),
            keras.StatelessScope(state_mapping=mapping) as scope,
        ):
            return self._model(inputs, training=training), scope

    def _find_changing(self) -> list[Any]:
        """List the variables that a call in training changes, without unused statistics."""
        unread = set()
        if not self.running:
            for layer in self._model._flatten_layers():
                if isinstance(layer, keras.layers.BatchNormalization):
                    unread |= {id(variable) for variable in layer.non_trainable_variables}
        candidates = [v for v in self._model.non_trainable_variables if id(v) not in unread]
        if not candidates:
            return []
        with tf.init_scope():  # the parts of a model are made within a graph
            values = [tf.convert_to_tensor(variable.value) for variable in candidates]
            weights = [tf.convert_to_tensor(variable.value) for variable in self._weights]
            inputs = tf.zeros((2, *self.input_shape))
            _, scope = self._call(weights, candidates, values, inputs, training=True)
            changing = [
                variable
                for variable, value in zip(candidates, values, strict=True)
                if scope.get_current_value(variable) is not value
            ]
        for variable in changing:
            if not (_is_seed(variable) or keras.backend.is_float_dtype(variable.dtype)):
                raise ValueError(
                    f"a call of the model {self._model.name!r} changes {variable.path}, of type "
                    f"{variable.dtype}; only floats can be carried, as means over tasks"
                )
        return changing


class Parts(NamedTuple):
    """A model cut into its head and the body before it.

    num_features: tensors between the two; several are passed as a list.
    """

    body: FunctionalModel
    head: FunctionalModel
    num_features: int


def _is_seed(variable: Any) -> bool:
    return bool(variable.name == "seed_generator_state")


def _find(head: str, layers: Sequence[str]) -> str:
    """Find the one path among `layers` that ends in `head`."""
    paths = sorted({layer for layer in layers if layer.rpartition("/")[2] == head})
    if len(paths) != 1:
        names = ", ".join(dict.fromkeys(layer.rpartition("/")[2] for layer in layers))
        problem = "no layer" if not paths else "more than one layer"
        raise ValueError(
            f"model.head = {head!r}: {problem} with trainable weights has that name; there are "
            f"{names}"
        )
    return paths[0]
