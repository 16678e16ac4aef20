"""A model of features with a linear head, as a function of the weights of both."""

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from workers.heads.linear_head import LinearHead
from workers.models.functional import FunctionalModel, State


class HeadedModel:
    """Features, then a linear head of any number of outputs; see `FunctionalModel`.

    Its weights are those of the features, then kernel and bias of the head.

    features: the model of the features, [n, *input_shape] -> [n, width].
    """

    parts = None

    def __init__(self, features: FunctionalModel):
        self.features = features
        self.is_head = (*(False for _ in features.names), True, True)
        self.adapts = (*features.adapts, True, True)

    def apply(
        self,
        theta: Sequence[tf.Tensor],
        state: State,
        inputs: tf.Tensor,
        training: bool = True,
        real: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, State]:
        """Compute outputs [n, outputs] and the next state; see `FunctionalModel.apply`."""
        *body, kernel, bias = theta
        features, state = self.features.apply(body, state, inputs, training, real)
        return LinearHead(kernel, bias).outputs(features), state

    def shapes_of(self, number: int) -> list[tuple[int, ...]]:
        """Return the shapes of its weights, of which there are `number`: they say how many outputs.

        Args:
          number: of the numbers in all of its weights.
        """
        width = self.width
        outputs, rest = divmod(number - self.features.num_parameters, width + 1)
        assert not rest, "weights of another model"
        return [*self.features.shapes, (width, outputs), (outputs,)]

    @property
    def width(self) -> int:
        """The number of features."""
        return int(self.features.keras_model.output_shape[-1])

    def __getattr__(self, name: str) -> Any:
        """Return what is the same for the model of the features, such as its statistics."""
        return getattr(self.features, name)
