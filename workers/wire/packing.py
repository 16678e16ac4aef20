"""What is small travels as bytes: Ray takes a tenth of a millisecond to take an object apart.

What is large stays as it is: Ray puts its arrays into the object store, to be read where they lie.
"""

import os
import pickle
from typing import Any

from workers.wire.protocol import Array

INLINE_LIMIT = "RAY_max_direct_call_object_size"
_DEFAULT_INLINE_BYTES = 100 * 1024


def inline_bytes() -> int:
    """What is no larger travels with a call."""
    return int(os.environ.get(INLINE_LIMIT, _DEFAULT_INLINE_BYTES))


def pack(value: Any) -> bytes:
    """As bytes, for `unpack`."""
    return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)


def pack_if_small(value: Any, *arrays: Array) -> Any:
    """As `pack`, unless its `arrays` are too large to travel with a call."""
    small = sum(array.nbytes for array in arrays) <= inline_bytes()
    return pack(value) if small else value


def unpack(value: Any) -> Any:
    """What was packed; anything else as it is."""
    return pickle.loads(value) if isinstance(value, bytes) else value
