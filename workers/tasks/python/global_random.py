"""Global random generators: what draws from them cannot be drawn again."""

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np


def _states() -> tuple[Any, ...]:
    numpy = np.random.get_state(legacy=False)
    inner = {name: np.asarray(value).tobytes() for name, value in numpy.pop("state").items()}
    return (inner, numpy), random.getstate()


@contextlib.contextmanager
def refuse_global_draws(said: str) -> Iterator[None]:
    """Compare the states of the global generators before and after.

    Args:
      said: what is done within, "X is called".
    Raises:
      ValueError: numbers were drawn from one of them, or it was seeded.
    """
    before = _states()
    yield
    names = ("numpy.random", "random")
    used = [name for name, old, new in zip(names, before, _states(), strict=True) if old != new]
    if used:
        raise ValueError(
            f"{said}, and numbers are drawn from the global generator of {' and of '.join(used)}, "
            "or it is seeded: no task could be drawn again; draw from `rng`, the first argument, "
            "as in rng.normal(size=5)"
        )
