"""Findings about an installation, from given facts."""

import pytest

from orchestrator.doctor import installation, machine
from orchestrator.doctor.machine import Disk

VERSIONS = {"numpy": "2.4.1", "ray": "2.60.0", "keras": "4.0.0"}
GB = 1_000_000_000


def disk(free, total=100 * GB, writable=True):
    return Disk("there", free, total, writable)


@pytest.mark.parametrize(
    ("requirements", "verdict", "found"),
    [
        (["numpy>=2.4,<3", "ray[default,train]>=2.60,<3"], "well", "2, as required"),
        (["numpy>=2.4", 'pytest>=9; extra == "dev"'], "well", "1, as required"),
        (["keras>=3.15,<4"], "broken", "keras is 4.0.0, <4,>=3.15 is needed"),
        (["numpy>=2.5", "absent"], "broken", "numpy is 2.4.1, >=2.5 is needed; absent is missing"),
        ([], "note", "not compared: metatrain itself is not installed"),
    ],
)
def test_packages_are_compared_with_what_is_required(requirements, verdict, found):
    finding = installation.check_packages(requirements, VERSIONS.get)
    assert (finding.verdict, finding.found) == (verdict, found)
    assert bool(finding.advice) == (verdict == "broken")


@pytest.mark.parametrize(
    ("free", "cores", "verdict", "advice"),
    [
        (16 * GB, 4, "well", ""),
        (int(2.5 * GB), 4, "warning", "--workers 2 or fewer"),
        (int(0.5 * GB), 4, "broken", "free some"),
        (None, 4, "note", ""),
    ],
)
def test_memory_is_for_a_driver_and_an_actor_on_each_core(free, cores, verdict, advice):
    finding = installation.check_memory(free, cores)
    assert finding.verdict == verdict
    assert advice in finding.advice


@pytest.mark.parametrize(
    ("there", "for_ray", "verdict", "advice"),
    [
        (disk(50 * GB), True, "well", ""),
        (disk(3 * GB), True, "warning", "over 95 % full"),
        (disk(3 * GB), False, "well", ""),
        (disk(GB), False, "warning", "this is little"),
        (disk(GB // 100), False, "broken", "free some space, or elsewhere"),
        (disk(50 * GB, writable=False), False, "broken", "elsewhere"),
    ],
)
def test_a_full_or_closed_disk_is_found(there, for_ray, verdict, advice):
    finding = installation.check_disk("runs", there, "elsewhere", for_ray)
    assert finding.verdict == verdict
    assert advice in finding.advice


def test_a_containers_small_shared_memory_is_found():
    assert installation.check_shared_memory(disk(8 * GB)).verdict == "well"
    finding = installation.check_shared_memory(disk(64 * 1024 * 1024))
    assert finding.verdict == "warning"
    assert "--shm-size" in finding.advice


def test_a_busy_machine_is_found():
    assert installation.check_load(0.3, 2).verdict == "well"
    assert installation.check_load(1.2, 2).verdict == "warning"


@pytest.mark.parametrize(
    ("devices", "seen", "verdict", "text"),
    [
        (0, [], "well", "none"),
        (2, [], "warning", "2 here, but TensorFlow sees none"),
        (1, ["A100"], "well", "TensorFlow sees A100"),
    ],
)
def test_gpus_that_tensorflow_does_not_see_are_found(devices, seen, verdict, text):
    finding = installation.check_gpus(devices, seen)
    assert finding.verdict == verdict
    assert text in finding.found


@pytest.mark.parametrize(
    ("limit", "used", "cached", "expected"),
    [
        (None, 0, 0, 8 * GB),
        ("max", 0, 0, 8 * GB),
        (4 * GB, 3 * GB, 0, GB),
        (4 * GB, 3 * GB, 2 * GB, 3 * GB),
        (4 * GB, 5 * GB, 0, 0),
    ],
)
def test_free_memory_is_what_the_machine_and_the_container_leave(
    tmp_path, limit, used, cached, expected
):
    meminfo = tmp_path / "meminfo"
    meminfo.write_text(f"MemTotal: 1 kB\nMemAvailable: {8 * GB // 1024} kB\n")
    if limit is not None:
        (tmp_path / "memory.max").write_text(f"{limit}\n")
        (tmp_path / "memory.current").write_text(f"{used}\n")
        (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {cached}\n")
    assert machine.available_bytes(meminfo, tmp_path) == pytest.approx(expected, abs=1024)
    assert machine.available_bytes(tmp_path / "absent", tmp_path / "absent") is None


def test_the_disk_of_a_folder_that_is_not_there_is_that_of_the_one_above(tmp_path):
    there, below = machine.disk_of(tmp_path), machine.disk_of(tmp_path / "a" / "b")
    assert below.total_bytes == there.total_bytes
    assert below.writable
    assert not (tmp_path / "a").exists()


def test_the_peak_of_this_process_stays_when_memory_is_given_back():
    before = machine.peak_bytes()
    size = 200_000_000
    held = bytearray(b"x" * size)
    peak = machine.peak_bytes()
    del held
    assert peak > size
    assert peak >= before
    assert machine.peak_bytes() >= peak
