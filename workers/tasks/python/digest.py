"""The identity of a user's tasks: the code that draws them, and the first of them."""

from collections.abc import Sequence
from types import ModuleType

import numpy as np

from workers.user_code.files import digest_of_files
from workers.wire.protocol import Episode


def digest(modules: Sequence[ModuleType], folder: str, tasks: Sequence[Episode]) -> str:
    """Compute the sha256 of the modules' files, those they use from `folder`, and of tasks.

    Tasks are part of it because they show what code does not: a data file that is another one
    elsewhere, or a library that draws otherwise.
    """
    total = digest_of_files(modules, folder)
    for task in tasks:
        for array in task:
            total.update(f"{array.dtype} {array.shape} ".encode())
            total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
