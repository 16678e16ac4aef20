"""Numbers that are given in memory."""

from typing import Any

import numpy as np

from workers.wire.protocol import Array


def as_numbers(given: Any, dtype: Any, what: str = "inputs") -> Array:
    """An array of numbers.

    Raises:
      ValueError: it is none.
    """
    try:
        found: Array = np.asarray(given, dtype)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{what} are no array of numbers ({error})") from None
    return found


def checked(found: Array, input_shape: tuple[int, ...]) -> Array:
    """`found`, if it is n examples of finite numbers.

    Raises:
      ValueError: it is not.
    """
    if found.shape[1:] != input_shape or not len(found):
        wanted = ", ".join(map(str, ("n", *input_shape)))
        raise ValueError(f"inputs have shape {list(found.shape)}, the model takes [{wanted}]")
    if not np.isfinite(found).all():
        row = int(np.argwhere(~np.isfinite(found))[0][0])
        raise ValueError(f"inputs[{row}] is not finite; finite numbers are needed")
    return found
