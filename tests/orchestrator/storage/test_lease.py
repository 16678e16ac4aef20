"""Who may write to a folder of a store: one process at a time, by leases."""

import contextlib
import os
import subprocess
import threading
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from pyarrow import fs

from orchestrator.storage import lease
from orchestrator.storage.claim import LOCK, FolderGoneError, HeldError, InUseError
from orchestrator.storage.lease import Lease
from orchestrator.storage.owner import Owner, this_process
from orchestrator.storage.storage import Storage


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
