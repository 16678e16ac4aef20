"""The explore step of population-based training, which perturbs the values of a better trial."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from orchestrator.sweep.dimension import Dimension

# Probability that a value is resampled rather than moved, as in Jaderberg et al. 2017
# (arXiv:1711.09846).
_RESAMPLE_PROBABILITY = 0.25


class Explore:
    """A function that moves each value to a neighbour or resamples it, within the space."""

    def __init__(self, space: Mapping[str, Dimension], seed: int):
        self._space, self._rng = space, np.random.default_rng(seed)

    def __call__(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values of a trial by name, perturbed; keys outside the space are kept."""
        return {**values, **{key: self._moved(d, values[key]) for key, d in self._space.items()}}

    def _moved(self, dimension: Dimension, value: Any) -> Any:
        if self._rng.random() < _RESAMPLE_PROBABILITY:
            return dimension.draw(self._rng)
        return dimension.neighbour(dimension.typed(value), self._rng)
