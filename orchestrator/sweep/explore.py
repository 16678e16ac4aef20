"""How population-based training changes what a worse trial takes over from a better one."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from orchestrator.sweep.dimension import Dimension

# So often a value is drawn anew rather than moved, as Jaderberg et al. 2017 do (arXiv:1711.09846).
_DRAWN_ANEW = 0.25


class Explore:
    """Moves each value to a neighbour in its space, or draws it anew: it never leaves the space."""

    def __init__(self, space: Mapping[str, Dimension], seed: int):
        self._space, self._rng = space, np.random.default_rng(seed)

    def __call__(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values of a trial by name; what else there is stays."""
        return {**values, **{key: self._moved(d, values[key]) for key, d in self._space.items()}}

    def _moved(self, dimension: Dimension, value: Any) -> Any:
        if self._rng.random() < _DRAWN_ANEW:
            return dimension.draw(self._rng)
        return dimension.neighbour(dimension.typed(value), self._rng)
