"""This machine's memory and disks, and the memory of processes, from /proc and cgroups."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

_MEMINFO = Path("/proc/meminfo")
_CGROUP = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of a folder, which may not exist yet."""

    folder: str
    free_bytes: int
    total_bytes: int
    writable: bool


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def available_bytes(meminfo: Path = _MEMINFO, cgroup: Path = _CGROUP) -> int | None:
    """Return the memory that processes may still use, within a container's limit; None: unknown."""
    limits = [_from_meminfo(meminfo), _from_cgroup(cgroup)]
    return min((limit for limit in limits if limit is not None), default=None)


def peak_bytes(pid: int | str = "self") -> int:
    """Return the peak resident memory (RSS) of a process, shared pages included, in bytes."""
    return _field(Path(f"/proc/{pid}/status"), "VmHWM") or 0


def disk_of(folder: str | Path) -> Disk:
    """Return the disk of a folder."""
    existing = Path(folder).expanduser().absolute()
    while not existing.exists():
        existing = existing.parent
    usage = shutil.disk_usage(existing)
    return Disk(str(folder), usage.free, usage.total, os.access(existing, os.W_OK | os.X_OK))


def _from_meminfo(meminfo: Path) -> int | None:
    return _field(meminfo, "MemAvailable")


def _from_cgroup(cgroup: Path) -> int | None:
    """Return the memory left below a container's limit; inactive page cache counts as free."""
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
    """Read a line `name:   123 kB` of a file, in bytes; None if there is none."""
    try:
        fields = dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
        return int(fields[name].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
