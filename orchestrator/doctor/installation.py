"""Findings about an installation, computed from arguments alone."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from packaging.requirements import Requirement

from orchestrator.doctor.finding import Finding
from orchestrator.doctor.machine import Disk

#: Memory of a driver or an actor before its model; see the results of benchmarks/doctor.py.
PROCESS_BYTES = 800_000_000
_MOST_LOAD = 0.5
_LEAST_SHARED_BYTES = 100_000_000
_LEAST_DISK_BYTES, _LITTLE_DISK_BYTES = 100_000_000, 2_000_000_000
# Ray stops storing objects if less of the disk is free.
_RAYS_FREE_SHARE = 0.05


def check_packages(requirements: Iterable[str], version_of: Callable[[str], str | None]) -> Finding:
    """Compare the required packages with the installed ones.

    Args:
      requirements: as in a package's metadata.
      version_of: returns the version of a package; None if it is not installed.
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
    """Check the environment variables that choose TensorFlow's and numpy's kernels."""
    if not chosen:
        return Finding("kernels", "as the libraries choose them")
    variables = ", ".join(f"{name} = {value!r}" for name, value in chosen.items())
    advice = "runs with and without it differ in the last bits: set it everywhere or nowhere"
    return Finding("kernels", f"chosen by {variables}", "note", advice)


def check_memory(available_bytes: int | None, num_cores: int) -> Finding:
    """Check that a driver and an actor on each core have enough memory."""
    if available_bytes is None:
        return Finding("memory", "unknown: this system does not report it", "note")
    text = f"{_gb(available_bytes)} free, {num_cores} core{'s' if num_cores > 1 else ''}"
    fits = available_bytes // PROCESS_BYTES - 1
    if fits < 0:
        return Finding(
            "memory",
            text,
            "broken",
            f"a run takes {_gb(PROCESS_BYTES)} or more: free some, or raise the container's limit",
        )
    if fits < num_cores:
        return Finding(
            "memory",
            text,
            "warning",
            f"room for {fits} actors beside the driver: give --workers {fits} or fewer",
        )
    return Finding("memory", text)


def check_load(load: float, num_cores: int) -> Finding:
    """Check the system's load average over the last minute, before the doctor's own work."""
    text = f"{load:.1f} on {num_cores} core{'s' if num_cores > 1 else ''}"
    if load < _MOST_LOAD * num_cores:
        return Finding("load", text)
    return Finding(
        "load",
        text,
        "warning",
        "other programs keep this machine busy: measured times are longer than on an idle one",
    )


def check_shared_memory(disk: Disk) -> Finding:
    """Check the shared memory for Ray's object store."""
    text = f"{_gb(disk.free_bytes)} free in {disk.folder}"
    if disk.free_bytes >= _LEAST_SHARED_BYTES:
        return Finding("shared memory", text)
    return Finding(
        "shared memory",
        text,
        "warning",
        "Ray keeps large objects there, or on the slower disk: start the container with "
        "--shm-size=2g, or run with --workers 0",
    )


def check_disk(purpose: str, disk: Disk, remedy: str, for_ray: bool = False) -> Finding:
    """Check the free space of a folder that will be written to.

    Args:
      purpose: what is written.
      remedy: how to choose another folder.
      for_ray: whether Ray's limit for full disks holds.
    """
    text = f"{_gb(disk.free_bytes)} free in {disk.folder}"
    if not disk.writable:
        return Finding(purpose, f"{disk.folder} cannot be written to", "broken", remedy)
    if disk.free_bytes < _LEAST_DISK_BYTES:
        return Finding(purpose, text, "broken", f"free some space, or {remedy}")
    if for_ray and disk.free_bytes < _RAYS_FREE_SHARE * disk.total_bytes:
        advice = (
            f"Ray stores nothing on a disk that is over 95 % full: free some space, or {remedy}"
        )
        return Finding(purpose, text, "warning", advice)
    if disk.free_bytes < _LITTLE_DISK_BYTES:
        return Finding(purpose, text, "warning", f"this is little: free some space, or {remedy}")
    return Finding(purpose, text)


def check_gpus(num_devices: float, visible: Sequence[str]) -> Finding:
    """Compare the GPUs that the system may use with those that TensorFlow sees."""
    if visible:
        text = f"TensorFlow sees {', '.join(visible)}; an actor uses one with workers.gpus=1"
        return Finding("GPUs", text)
    if num_devices:
        return Finding(
            "GPUs",
            f"{num_devices:g} here, but TensorFlow sees none",
            "warning",
            "pip install 'tensorflow[and-cuda]', and compare the driver's version (nvidia-smi) "
            "with the one that CUDA needs; until then leave workers.gpus at 0",
        )
    return Finding("GPUs", "none: blocks run on the CPU, one core an actor")


def _gb(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size < 1e11 else f"{size / 1e9:.0f} GB"
