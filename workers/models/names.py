"""Keras' automatic names, which are part of graphs and so of the order in which these add."""

import contextlib
from collections.abc import Iterator

from keras.src.backend.common import global_state

_COUNTERS = "object_name_uids"


@contextlib.contextmanager
def fresh_names() -> Iterator[None]:
    """Within: Keras numbers what has no name from 1, whatever was built before."""
    counters = global_state.get_global_attribute(_COUNTERS)
    global_state.set_global_attribute(_COUNTERS, None)
    try:
        yield
    finally:
        global_state.set_global_attribute(_COUNTERS, counters)
