"""New values for the attributes of an environment."""

import copy
import math
from numbers import Real
from typing import Any

import numpy as np


def replaces(value: Any, current: Any) -> bool:
    """Return whether a value may replace the current one of an attribute.

    A finite number may replace a number, and a list an array, a tuple or a list of the same shape.
    """
    if isinstance(current, Real) and not isinstance(current, bool):
        return isinstance(value, Real) and math.isfinite(value)
    if isinstance(value, list) and isinstance(current, np.ndarray | tuple | list):
        return _shape(value) == _shape(current)
    return type(value) is type(current)


def like(current: Any, value: Any) -> Any:
    """Return `value`, a list as an array or a tuple if `current` is one, as a copy of its own."""
    if isinstance(value, list) and isinstance(current, np.ndarray):
        # Whole numbers that were there must not cut what replaces them.
        return np.array(value, current.dtype if current.dtype.kind == "f" else None)
    if isinstance(value, list) and type(current) is tuple:
        return tuple(value)
    return copy.deepcopy(value)


def _shape(value: Any) -> tuple[int, ...] | None:
    try:
        return np.shape(value)
    except ValueError:  # lists of several lengths
        return None
