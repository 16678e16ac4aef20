"""Scaling of numbers, where a model is trained on standardized ones."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.wire.protocol import Array


class Scaling(NamedTuple):
    """mean, deviation: [*shape], of what is standardized."""

    mean: NDArray[np.floating]
    deviation: NDArray[np.floating]

    def apply(self, values: Array) -> NDArray[np.float32]:
        """To standardized numbers, [.., *shape]."""
        return ((np.asarray(values, np.float64) - self.mean) / self.deviation).astype(np.float32)

    def undo(self, scaled: Array) -> NDArray[np.float64]:
        """From standardized numbers, [n, *shape]."""
        return np.asarray(scaled, np.float64) * self.deviation + self.mean


class ExampleScaling(NamedTuple):
    """The scaling of a model's inputs and outputs.

    inputs: of the examples.
    outputs: of the targets; None: they are not scaled.
    farthest: bound at which standardized inputs are clipped; None: they are not.
    fills: whether a missing input is the mean.
    """

    inputs: Scaling
    outputs: Scaling | None = None
    farthest: float | None = None
    fills: bool = False
