"""Scales between a user's scaling and the standardized numbers that a model is trained on."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from workers.wire.protocol import Array


class Scaling(NamedTuple):
    """The mean and standard deviation of standardized numbers.

    mean: [*shape].
    deviation: [*shape], > 0.
    """

    mean: NDArray[np.floating]
    deviation: NDArray[np.floating]

    def apply(self, values: Array) -> NDArray[np.float32]:
        """Standardize numbers [.., *shape]."""
        return ((np.asarray(values, np.float64) - self.mean) / self.deviation).astype(np.float32)

    def undo(self, scaled: Array) -> NDArray[np.float64]:
        """Turn standardized numbers [n, *shape] back into the user's units."""
        return np.asarray(scaled, np.float64) * self.deviation + self.mean


class ExampleScaling(NamedTuple):
    """The scaling of a model's inputs and outputs.

    inputs: of the inputs.
    outputs: of the outputs; None if they are not scaled.
    each: whether an example is first standardized by its own mean and deviation over its first
      axis.
    farthest: standardized inputs are clipped to [-farthest, farthest]; None: they are not.
    fills: whether the mean replaces a missing input.
    """

    inputs: Scaling
    outputs: Scaling | None = None
    farthest: float | None = None
    fills: bool = False
    each: bool = False
