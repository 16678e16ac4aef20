"""Serialization of small values to bytes: Ray takes a tenth of a millisecond to serialize objects.

Large values are sent as they are: Ray puts their arrays into the object store, to be read in place.
"""

import os
import pickle
from typing import Any

from workers.wire.protocol import Array

INLINE_LIMIT = "RAY_max_direct_call_object_size"
_DEFAULT_INLINE_BYTES = 100 * 1024


def inline_bytes() -> int:
    """Return the size in bytes up to which Ray sends a value together with a call."""
    return int(os.environ.get(INLINE_LIMIT, _DEFAULT_INLINE_BYTES))


def to_bytes(value: Any) -> bytes:
    """Serialize a value to bytes, for `from_bytes`."""
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)


def to_bytes_if_small(value: Any, *arrays: Array) -> Any:
    """Serialize as `to_bytes` does, unless the value's `arrays` are too large for a call."""
    small = sum(array.nbytes for array in arrays) <= inline_bytes()
    return to_bytes(value) if small else value


def from_bytes(value: Any) -> Any:
    """Deserialize bytes; return anything else unchanged."""
    return pickle.loads(value) if isinstance(value, bytes) else value
