"""Batch normalization with statistics, scale and offset of its own at each inner step.

Source: Antoniou et al. 2019, arXiv:1810.09502, section 4, "Per-Step Batch Normalization Running
Statistics" and "Per-Step Batch Normalization Weights and Biases".
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.models import normalization as ours
from workers.models.functional import FunctionalModel, State
from workers.wire.protocol import Array

_LAYERS = (keras.layers.BatchNormalization, ours.BatchNormalization)


class PerStepModel(FunctionalModel):
    """A model whose batch normalizations have a row of arrays for each inner step.

    The call on the support set in inner step i, from 0, sees row i, and so does the call on the
    queries after that step; before any step, queries see row 0. Steps beyond the last row see it.
    These are the rows of the authors' code. The state's last tensor counts inner steps.

    An inner loop does not change scales and offsets that have rows, as in that code.
    """

    def __init__(self, plain: FunctionalModel, steps: int, affine: bool, statistics: bool):
        """Give a model rows.

        Args:
          plain: the model without rows.
          steps: number of rows, >= 1.
          affine: for scales and offsets, which are weights.
          statistics: for running statistics.
        Raises:
          ValueError: the model has no batch normalization that is trained.
        """
        vars(self).update(vars(plain))
        self.parts = None
        self._plain, self._steps = plain, steps
        layers = [layer for layer in self._model._flatten_layers() if isinstance(layer, _LAYERS)]
        of = {id(v) for layer in layers for v in layer.variables}
        self._has_rows = [affine and id(variable) in of for variable in self._weights]
        self._state_has_rows = [statistics and id(variable) in of for variable in self._changing]
        if not any([*self._has_rows, *self._state_has_rows]):
            raise ValueError(
                f"the model {self._model.name!r} has no batch normalization that is trained: unset "
                "algorithm.step_affine and algorithm.step_statistics"
            )
        self.shapes = [
            (steps, *shape) if rows else shape
            for shape, rows in zip(plain.shapes, self._has_rows, strict=True)
        ]
        self.statistics_shapes = [
            (steps, *shape) if statistics else shape for shape in plain.statistics_shapes
        ]
        self.num_parameters = sum(int(np.prod(shape)) for shape in self.shapes)
        pairs = zip(plain.adapts, self._has_rows, strict=True)
        self.adapts = tuple(adapts and not rows for adapts, rows in pairs)

    @property
    def plain(self) -> FunctionalModel:
        """See `FunctionalModel.plain`."""
        return self._plain

    def start(self, statistics: Sequence[tf.Tensor], seed: tf.Tensor) -> State:
        """See `FunctionalModel.start`."""
        return [*super().start(statistics, seed), tf.zeros((), tf.int32)]

    def stepped(self, state: State) -> State:
        """See `FunctionalModel.stepped`."""
        return [*state[:-1], state[-1] + 1]

    def asked(self, state: State) -> State:
        """See `FunctionalModel.asked`."""
        return [*state[:-1], tf.maximum(state[-1] - 1, 0)]

    def statistics(self, state: State) -> list[tf.Tensor]:
        """See `FunctionalModel.statistics`."""
        return super().statistics(state[:-1])

    def apply(
        self,
        theta: Sequence[tf.Tensor],
        state: State,
        inputs: tf.Tensor,
        training: bool = True,
        real: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, State]:
        """See `FunctionalModel.apply`."""
        *values, number = state
        weights, rows = self._select(theta, values, number)
        outputs, after = self._plain.apply(weights, rows, inputs, training, real)
        here = tf.equal(tf.range(self._steps), self._row(number))
        changed = [
            tf.where(tf.reshape(here, [-1] + [1] * new.shape.rank), new, old) if has else new
            for new, old, has in zip(after, values, self._state_has_rows, strict=True)
        ]
        return outputs, [*changed, number]

    def settled(self, theta: Sequence[tf.Tensor], state: State) -> tuple[Any, Any]:
        """See `FunctionalModel.settled`."""
        *values, number = self.asked(state)
        weights, rows = self._select(theta, values, number)
        return weights, self._plain.statistics(rows)

    def initial_weights(self) -> list[Array]:
        """See `FunctionalModel.initial_weights`; all rows are equal."""
        pairs = zip(super().initial_weights(), self._has_rows, strict=True)
        return [self._in_rows(value) if rows else value for value, rows in pairs]

    def initial_statistics(self) -> list[Array]:
        """See `FunctionalModel.initial_statistics`; all rows are equal."""
        values = super().initial_statistics()
        return [self._in_rows(v) for v in values] if any(self._state_has_rows) else values

    def _in_rows(self, value: Array) -> Array:
        return np.stack([value] * self._steps)

    def _row(self, number: tf.Tensor) -> tf.Tensor:
        return tf.minimum(number, self._steps - 1)

    def _select(
        self, theta: Sequence[tf.Tensor], values: Sequence[tf.Tensor], number: tf.Tensor
    ) -> tuple[list[tf.Tensor], list[tf.Tensor]]:
        """Take the rows of an inner step; return the plain model's weights and state.

        As products: XLA does not take the gradient of a slice whose place is computed.
        """

        def of_step(array: tf.Tensor) -> tf.Tensor:
            chosen = tf.one_hot(self._row(number), self._steps, dtype=array.dtype)
            return tf.tensordot(chosen, array, 1)

        weights = zip(theta, self._has_rows, strict=True)
        state = zip(values, self._state_has_rows, strict=True)
        return (
            [of_step(w) if rows else w for w, rows in weights],
            [of_step(value) if rows else value for value, rows in state],
        )
