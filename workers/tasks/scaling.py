"""The units of a model's numbers, where it is trained on standardized ones."""

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


class Units(NamedTuple):
    """How a model's inputs and outputs are told to people; outputs None: as they are.

    each: an example is standardized by its own mean and deviation over its first axis, before that.
    farthest: where standardized inputs are cut off. fills: an input that is missing is the mean.
    """

    inputs: Scaling
    outputs: Scaling | None = None
    farthest: float | None = None
    fills: bool = False
    each: bool = False
