"""The memory of this process."""

import ctypes
import os
import resource
from pathlib import Path

_STATM = Path("/proc/self/statm")


def resident_bytes() -> int:
    """Return the bytes of memory that this process holds; without /proc, the most it ever held."""
    if not _STATM.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # in bytes on macOS
    return int(_STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def release_memory() -> None:
    """Return freed memory to the system, which glibc keeps between blocks still in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # missing in other C libraries
    if trim is not None:
        trim(0)
