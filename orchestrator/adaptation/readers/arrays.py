"""Numbers from memory, as arrays."""

from typing import Any

import numpy as np

from workers.wire.protocol import Array

NO_INPUTS = "inputs are empty; give one example or more"


def as_numbers(values: Any, dtype: Any, what: str = "inputs") -> Array:
    """Convert values to an array of numbers.

    Args:
      what: the name of the values in errors.
    Raises:
      ValueError: they are not numbers, or larger than any float, or their lengths differ.
    """
    try:
        numbers: Array = np.asarray(values, dtype)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{what} are not an array of numbers ({error})") from None
    return numbers


def checked(inputs: Array, input_shape: tuple[int, ...]) -> Array:
    """Return `inputs` after a check that they are n >= 1 examples of finite numbers.

    Raises:
      ValueError: they are not.
    """
    if inputs.shape[:1] == (0,):
        raise ValueError(NO_INPUTS)
    if inputs.shape[1:] != input_shape or not inputs.ndim:
        wanted = ", ".join(map(str, ("n", *input_shape)))
        raise ValueError(f"inputs have shape {list(inputs.shape)}, the model takes [{wanted}]")
    if not np.isfinite(inputs).all():
        row = int(np.argwhere(~np.isfinite(inputs))[0][0])
        raise ValueError(f"inputs[{row}] is not finite; finite numbers are needed")
    return inputs
