"""What this machine has: memory, disks, and the memory of processes. Linux's /proc and cgroups."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk that a folder is on, or will be on once it is made."""

    folder: str
    free_bytes: int
    total_bytes: int
    writable: bool


def num_cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0))


def available_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int | None:
    """Memory that processes may still take, a container's limit included; None if unknown."""
    found = [_from_meminfo(meminfo), _from_cgroup(cgroup)]
    return min((number for number in found if number is not None), default=None)


def peak_bytes(pid: int | str = "self") -> int:
    """The most resident memory (RSS) that a process has had, pages that others share included."""
    return _field(Path(f"/proc/{pid}/status"), "VmHWM") or 0


def disk_of(folder: str | Path) -> Disk:
    """The disk of a folder."""
    there = Path(folder).expanduser().absolute()
    while not there.exists():
        there = there.parent
    usage = shutil.disk_usage(there)
    return Disk(str(folder), usage.free, usage.total, os.access(there, os.W_OK | os.X_OK))


def _from_meminfo(meminfo: Path) -> int | None:
    return _field(meminfo, "MemAvailable")


def _from_cgroup(cgroup: Path) -> int | None:
    """What is left of a container's limit; the page cache can be given back."""
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
        statistics = dict(
            line.split() for line in (cgroup / "memory.stat").read_text().splitlines()
        )
    except (OSError, ValueError):  # no container, or no limit ("max")
        return None
    return max(0, limit - used + int(statistics.get("inactive_file", 0)))


def _field(file: Path, name: str) -> int | None:
    """`name:   123 kB`, in bytes."""
    try:
        fields = dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
        return int(fields[name].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
