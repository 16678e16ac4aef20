"""Keras' automatic names: they are part of graphs, and so decide the order of their sums."""

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

from keras.src.backend.common import global_state

_COUNTERS = "object_name_uids"


@contextlib.contextmanager
def fresh_names() -> Iterator[None]:
    """Make Keras number unnamed objects from 1 within, whatever was built before."""
    counters = global_state.get_global_attribute(_COUNTERS)
    global_state.set_global_attribute(_COUNTERS, None)
    try:
        yield
    finally:
        global_state.set_global_attribute(_COUNTERS, counters)


def unique_paths(variables: Sequence[Any]) -> list[str]:
    """List the paths of variables; repeated paths get a number."""
    counts: dict[str, int] = {}
    names = []
    for variable in variables:
        counts[variable.path] = counts.get(variable.path, 0) + 1
        number = counts[variable.path]
        names.append(variable.path if number == 1 else f"{variable.path}#{number}")
    return names
