"""What can be wrong with an installation. Judges what it is given, and looks at nothing itself."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from packaging.requirements import Requirement

from orchestrator.doctor.finding import Finding
from orchestrator.doctor.machine import Disk

#: What a driver or an actor takes before its model; see the results of benchmarks/doctor.py.
PROCESS_BYTES = 800_000_000
_MOST_LOAD = 0.5
_LEAST_SHARED_BYTES = 100_000_000
_LEAST_DISK_BYTES, _LITTLE_DISK_BYTES = 100_000_000, 2_000_000_000
# Ray stops storing objects where a disk is fuller than that.
_RAYS_FREE_SHARE = 0.05


def check_packages(requirements: Iterable[str], version_of: Callable[[str], str | None]) -> Finding:
    """What metatrain requires, and what is there.

    Args:
      requirements: as in a package's metadata. version_of: None for what is not installed.
    """
    wrong = list[str]()
    count = 0
    for requirement in map(Requirement, requirements):
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        count += 1
        version = version_of(requirement.name)
        if version is None:
            wrong.append(f"{requirement.name} is missing")
        elif not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement.name} is {version}, {requirement.specifier} is needed")
    if wrong:
        return Finding("packages", "; ".join(wrong), "broken", "install metatrain again with pip")
    if not count:
        return Finding("packages", "not compared: metatrain itself is not installed", "note")
    return Finding("packages", f"{count}, as required")


def check_kernels(chosen: Mapping[str, str]) -> Finding:
    """Variables that choose how TensorFlow and numpy compute, by name."""
    if not chosen:
        return Finding("kernels", "as the libraries choose them")
    found = ", ".join(f"{name} = {value!r}" for name, value in chosen.items())
    advice = "runs with and without are not the same to the last bit: set it everywhere or nowhere"
    return Finding("kernels", f"chosen by {found}", "note", advice)


def check_memory(available_bytes: int | None, num_cores: int) -> Finding:
    """Room for a driver, and for an actor on each core."""
    if available_bytes is None:
        return Finding("memory", "unknown: this system does not say", "note")
    found = f"{_gb(available_bytes)} free, {num_cores} core{'s' if num_cores > 1 else ''}"
    fits = available_bytes // PROCESS_BYTES - 1
    if fits < 0:
        return Finding(
            "memory",
            found,
            "broken",
            f"a run takes {_gb(PROCESS_BYTES)} or more: free some, or raise the container's limit",
        )
    if fits < num_cores:
        return Finding(
            "memory",
            found,
            "warning",
            f"room for {fits} actors beside the driver: give --workers {fits} or fewer",
        )
    return Finding("memory", found)


def check_load(load: float, num_cores: int) -> Finding:
    """Programs that ran or waited in the last minute, on average, before the doctor came."""
    found = f"{load:.1f} on {num_cores} core{'s' if num_cores > 1 else ''}"
    if load < _MOST_LOAD * num_cores:
        return Finding("load", found)
    return Finding(
        "load",
        found,
        "warning",
        "other programs keep this machine busy: what is timed now is slower than on an idle one",
    )


def check_shared_memory(disk: Disk) -> Finding:
    """Ray's object store."""
    found = f"{_gb(disk.free_bytes)} free in {disk.folder}"
    if disk.free_bytes >= _LEAST_SHARED_BYTES:
        return Finding("shared memory", found)
    return Finding(
        "shared memory",
        found,
        "warning",
        "Ray keeps large objects there, else on disk, slowly: start the container with "
        "--shm-size=2g, or run with --workers 0",
    )


def check_disk(purpose: str, disk: Disk, remedy: str, for_ray: bool = False) -> Finding:
    """Room where something will be written.

    Args:
      purpose: what is. remedy: how another folder is chosen.
    """
    found = f"{_gb(disk.free_bytes)} free in {disk.folder}"
    if not disk.writable:
        return Finding(purpose, f"{disk.folder} cannot be written to", "broken", remedy)
    if disk.free_bytes < _LEAST_DISK_BYTES:
        return Finding(purpose, found, "broken", f"make room, or {remedy}")
    if for_ray and disk.free_bytes < _RAYS_FREE_SHARE * disk.total_bytes:
        advice = f"Ray stores nothing on a disk that is more than 95 % full: make room, or {remedy}"
        return Finding(purpose, found, "warning", advice)
    if disk.free_bytes < _LITTLE_DISK_BYTES:
        return Finding(purpose, found, "warning", f"that is little: make room, or {remedy}")
    return Finding(purpose, found)


def check_gpus(num_devices: float, seen: Sequence[str]) -> Finding:
    """The GPUs that the system has and may be used, and those that TensorFlow sees."""
    if seen:
        found = f"TensorFlow sees {', '.join(seen)}; an actor takes one with workers.gpus=1"
        return Finding("GPUs", found)
    if num_devices:
        return Finding(
            "GPUs",
            f"{num_devices:g} here, but TensorFlow sees none",
            "warning",
            "pip install 'tensorflow[and-cuda]', and compare the driver's version (nvidia-smi) "
            "with what CUDA needs; until then leave workers.gpus at 0",
        )
    return Finding("GPUs", "none: blocks run on the CPU, one core an actor")


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size < 1e11 else f"{size / 1e9:.0f} GB"
