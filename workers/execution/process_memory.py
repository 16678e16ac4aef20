"""The memory of this process."""

import ctypes
import os
from pathlib import Path


def resident_bytes() -> int:
    """Return the bytes of memory that this process holds."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def release_memory() -> None:
    """Return freed memory to the system, which glibc keeps between blocks still in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # missing in other C libraries
    if trim is not None:
        trim(0)
