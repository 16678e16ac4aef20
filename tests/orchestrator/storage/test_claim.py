"""Who may write to a folder: one process at a time, on disks and on stores."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from claiming_process import another_process
from pyarrow import fs

from orchestrator.storage import claim, lease
from orchestrator.storage.claim import LOCK, FileLock, FolderGoneError, HeldError, InUseError
from orchestrator.storage.lease import Lease
from orchestrator.storage.owner import Owner, parse_owner, this_process
from orchestrator.storage.storage import Storage


def names(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def test_whoever_is_second_is_told_who_is_first_and_leaves_nothing_behind(tmp_path):
    with another_process(tmp_path / "run") as first:
        there = names(tmp_path / "run")
        with pytest.raises(InUseError) as refused:
            Storage(str(tmp_path / "run")).claim()
        assert names(tmp_path / "run") == there == [LOCK]
    assert str(refused.value).startswith(
        f"{tmp_path}/run is in use by process {first.pid} on {os.uname().nodename}, since 2"
    )
    assert str(refused.value).endswith("; wait for it, stop it, or give another --out")


def test_a_process_that_was_killed_bars_nobody(tmp_path):
    with another_process(tmp_path / "run") as first:
        first.send_signal(signal.SIGKILL)
        first.wait()
        assert names(tmp_path / "run") == [LOCK]
        storage = Storage(str(tmp_path / "run"))
        storage.claim()
        storage.write("x", b"1")
        storage.release()
    assert names(tmp_path / "run") == ["x"]


def test_a_folder_in_which_nothing_happened_keeps_its_date(tmp_path):
    (tmp_path / "run").mkdir()
    os.utime(tmp_path / "run", ns=(5, 7))
    storage = Storage(str(tmp_path / "run"))
    storage.claim()
    storage.release()
    assert (tmp_path / "run").stat().st_mtime_ns == 7
    storage.claim()
    time.sleep(0.05)  # the clock of a filesystem is coarse
    storage.write("x", b"1")
    storage.release()
    assert (tmp_path / "run").stat().st_mtime_ns > 7


def test_what_a_claim_has_made_goes_with_it_unless_something_is_in_it(tmp_path):
    storage = Storage(str(tmp_path / "a" / "b" / "run"))
    storage.claim()
    assert storage.list() == []
    storage.release()
    assert names(tmp_path) == []
    (tmp_path / "a").mkdir()
    storage = Storage(str(tmp_path / "a" / "b" / "run"))
    storage.claim()
    (tmp_path / "a" / "b" / "of_others").write_bytes(b"")
    storage.release()
    assert names(tmp_path / "a" / "b") == ["of_others"]


@pytest.mark.parametrize("change", ["deleted", "moved", "deleted and made again"])
def test_a_folder_that_is_gone_is_not_made_anew_by_a_write(tmp_path, change):
    storage = Storage(str(tmp_path / "run"))
    storage.claim()
    storage.write("history.json", b"1")
    if change == "moved":
        shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    else:
        shutil.rmtree(tmp_path / "run")
    other = Storage(str(tmp_path / "run"))
    if change == "deleted and made again":
        other.claim()
    for name in ("history.json", "checkpoints/ckpt-00000001/theta.arrow"):
        with pytest.raises(FolderGoneError, match="no longer what was opened"):
            storage.write(name, b"2")
    assert other.list() == []
    storage.release()
    assert (tmp_path / "run" / LOCK).exists() == (change == "deleted and made again")
    other.release()
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_moved_away_and_put_back_is_the_same(tmp_path):
    storage = Storage(str(tmp_path / "run"))
    storage.claim()
    shutil.move(tmp_path / "run", tmp_path / "elsewhere")
    shutil.move(tmp_path / "elsewhere", tmp_path / "run")
    storage.write("x", b"1")
    storage.release()
    assert names(tmp_path / "run") == ["x"]


def test_a_lock_file_that_says_nothing_yet_is_locked_all_the_same(tmp_path):
    lock = FileLock(tmp_path / "lock")
    (tmp_path / "lock").write_bytes(b"")
    with pytest.raises(HeldError) as held:
        FileLock(tmp_path / "lock")
    assert str(held.value) == "another process"
    lock.release()
    FileLock(tmp_path / "lock").release()
    assert names(tmp_path) == []


def test_on_a_filesystem_without_locks_the_claim_is_a_lease(tmp_path, monkeypatch):
    def flock(descriptor, operation):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(claim.fcntl, "flock", flock)
    storage = Storage(str(tmp_path / "run"))
    storage.claim()
    with pytest.raises(InUseError, match=f"in use by process {os.getpid()} on"):
        Storage(str(tmp_path / "run")).claim()
    storage.write("x", b"1")
    storage.release()
    assert names(tmp_path / "run") == ["x"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "1", '{"host": "a"}', '{"host": 1, "pid": "a"}', "[" * 100_000, b"\xff\xfe"],
)
def test_what_is_no_owner_is_none(text):
    assert parse_owner(text) is None


def test_an_owner_is_read_as_it_was_written():
    mine = this_process()
    assert parse_owner(mine.to_json()) == mine
    assert mine.is_here
    assert not mine.is_gone
    assert replace(mine, began=mine.began + 1).is_gone  # its process id was reused
    assert not replace(mine, machine="another boot", began=1).is_gone
    assert parse_owner(json.dumps(asdict(mine) | {"pid": True})) is None


# On stores without locks.


@pytest.fixture
def files():
    made = fs.FileSystem.from_uri("mock://bucket")[0]
    made.create_dir("run")
    return made


@pytest.fixture
def hasty(monkeypatch):
    monkeypatch.setattr(lease, "BEAT_S", 0.1)
    monkeypatch.setattr(lease, "LEASE_S", 0.8)
    monkeypatch.setattr(lease, "_POLL_S", 0.01)


FOREIGN = Owner("far", 7, "2026-01-01T00:00:00+00:00", "another machine", 5)


def put(files, name, owner, state):
    with files.open_output_stream(f"run/{LOCK}.{name}") as stream:
        stream.write(f"{owner.to_json()}\n{state}\n".encode())


def claims(files):
    infos = files.get_file_info(fs.FileSelector("run", allow_not_found=True))
    return sorted(info.base_name for info in infos)


def test_of_many_that_begin_at_once_one_at_a_time_has_the_folder(files, hasty):
    inside, most, had, lock = 0, 0, 0, threading.Lock()

    def contend():
        nonlocal inside, most, had
        for _ in range(20):
            with contextlib.suppress(HeldError):
                own = Lease(files, "run")
                with lock:
                    inside, had = inside + 1, had + 1
                    most = max(most, inside)
                time.sleep(0.001)
                with lock:
                    inside -= 1
                own.release()

    threads = [threading.Thread(target=contend) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert had > 1
    assert claims(files) == []


def test_of_a_store_the_second_is_told_who_is_first_and_leaves_nothing_behind(files):
    storage = Storage("mock://bucket/run", files)
    storage.claim()
    there = claims(files)
    with pytest.raises(InUseError, match=f"in use by process {os.getpid()} on .*, since 2"):
        Storage("mock://bucket/run", files).claim()
    assert claims(files) == there
    assert storage.list() == []
    storage.release()
    assert claims(files) == []


def test_an_owner_on_this_machine_that_has_ended_is_passed_over_at_once(files):
    ended = subprocess.Popen(["true"])
    ended.wait()
    put(files, "a", replace(this_process(), pid=ended.pid, began=1), "has 3")
    Lease(files, "run").release()
    assert claims(files) == []


def test_an_owner_elsewhere_that_gives_no_sign_of_life_loses_the_folder(files, hasty):
    put(files, "a", FOREIGN, "has 3")
    messages = []
    Lease(files, "run", messages.append).release()
    assert claims(files) == []
    assert len(messages) == 1
    assert messages[0].startswith(
        "process 7 on far, since 2026-01-01T00:00:00+00:00 had claimed the"
    )


def test_an_owner_elsewhere_that_lives_keeps_it(files, hasty):
    put(files, "a", FOREIGN, "has 3")
    threading.Timer(0.2, put, (files, "a", FOREIGN, "has 4")).start()
    with pytest.raises(HeldError, match="process 7 on far"):
        Lease(files, "run")
    assert claims(files) == [f"{LOCK}.a"]


def test_an_owner_elsewhere_that_lived_on_while_this_machine_slept_keeps_it(files, monkeypatch):
    put(files, "a", FOREIGN, "has 3")
    now = 0.0

    def sleep(seconds):
        nonlocal now
        now += 10 * lease.LEASE_S
        put(files, "a", FOREIGN, "has 4")

    monkeypatch.setattr(lease, "time", SimpleNamespace(sleep=sleep))
    monkeypatch.setattr(lease, "_now", lambda: now)
    with pytest.raises(HeldError, match="process 7 on far"):
        Lease(files, "run")
    assert claims(files) == [f"{LOCK}.a"]


def test_one_that_wants_it_elsewhere_goes_first_or_is_waited_for(files, hasty):
    put(files, "0", FOREIGN, "wants 0")
    with pytest.raises(HeldError, match="process 7 on far"):
        Lease(files, "run")
    files.delete_file(f"run/{LOCK}.0")
    put(files, "z", FOREIGN, "wants 0")  # it sees this one, and goes
    threading.Timer(0.2, files.delete_file, (f"run/{LOCK}.z",)).start()
    own = Lease(files, "run")
    assert claims(files) == [own._name]
    own.release()


def test_one_whose_claim_was_taken_over_writes_no_more(files, hasty, monkeypatch):
    storage = Storage("mock://bucket/run", files)
    storage.claim()
    (mine,) = claims(files)
    files.delete_file(f"run/{mine}")
    time.sleep(0.3)
    with pytest.raises(FolderGoneError, match="the claim on it was lost"):
        storage.write("x", b"1")
    assert claims(files) == []
    storage.release()


def test_signs_of_life_are_given_while_it_is_held(files, hasty):
    own = Lease(files, "run")
    path = f"run/{own._name}"
    beats = set()
    until = time.monotonic() + 30
    while len(beats) < 3 and time.monotonic() < until:
        with files.open_input_stream(path) as stream:
            beats.add(stream.readall())
        time.sleep(0.02)
    own.release()
    assert len(beats) == 3
