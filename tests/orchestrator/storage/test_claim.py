"""Who may write to a folder: one process at a time, on disks."""

import json
import os
import shutil
import signal
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from claiming_process import another_process

from orchestrator.storage import claim
from orchestrator.storage.claim import LOCK, FileLock, FolderGoneError, HeldError, InUseError
from orchestrator.storage.owner import parse_owner, this_process
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
