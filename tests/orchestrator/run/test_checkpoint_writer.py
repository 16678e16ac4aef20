import os
import threading
import time

import pytest
from faulty_files import FaultyFiles, fail_at, no_space, slow
from small_checkpoints import Writing, save

from orchestrator.records.metrics_log import read_metrics
from orchestrator.run.checkpoint_writer import Snapshot
from orchestrator.storage import checkpoint
from orchestrator.storage.claim import LOCK
from orchestrator.storage.storage import Storage
from workers.wire.errors import CheckpointError


@pytest.fixture(params=["local", "object store"])
def place(request, tmp_path):
    """A location, and the filesystem of it that can be made to fail."""
    location = str(tmp_path / "run") if request.param == "local" else "mock://bucket/run"
    return location, FaultyFiles(Storage(location).filesystem)


@pytest.fixture
def writing(place):
    it = Writing(*place)
    yield it
    it.close()


class Gate:
    """Writing `part` waits half-way until it is opened."""

    def __init__(self, part):
        self._part = part
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, kind, path):
        if kind == "torn" and self._part in path:
            self.reached.set()
            assert self.opened.wait(30)


@pytest.fixture
def gated(place):
    """A writer that is stuck in the middle of ckpt-00000001."""
    gate = Gate("ckpt-00000001/theta")
    place[1].fault = gate
    it = Writing(*place)
    it.submit(1)
    assert gate.reached.wait(30)
    it.open_gate = gate.opened.set
    yield it
    gate.opened.set()
    it.close()


def test_what_is_flushed_is_there(writing):
    writing.submit(1)
    writing.writer.flush()
    assert (writing.steps, writing.writer.saved_step) == ([1], 1)


def test_a_submit_does_not_wait_for_a_write(gated):
    started = time.monotonic()
    gated.submit(2)
    assert time.monotonic() - started < 5  # and not the 30 s of the gate
    assert gated.writer.saved_step == -1
    assert gated.steps == []
    gated.open_gate()
    gated.writer.flush()
    assert gated.steps == [1, 2]


def test_behind_a_slow_write_a_newer_snapshot_takes_the_place_of_one_that_waits(gated):
    for step in (2, 3, 4):
        gated.submit(step)
    gated.open_gate()
    gated.writer.flush()
    assert gated.steps == [1, 4]
    assert [row["step"] for row in read_metrics(gated.storage)] == [1, 2, 3, 4]


def test_a_validated_snapshot_is_written_however_slow_the_disk_is(place):
    gate = Gate("ckpt-00000001/theta")
    place[1].fault = gate
    it = Writing(*place, keep=1)
    it.submit(1)
    assert gate.reached.wait(30)
    for step, score in ((2, None), (3, 0.9), (4, None), (5, 0.5), (6, None), (7, None)):
        it.submit(step, score)
    gate.opened.set()
    it.writer.flush()
    written = {path.split("/")[-2] for kind, path in place[1].done if path.endswith("theta.arrow")}
    assert written == {f"ckpt-{step:08d}" for step in (1, 3, 5, 7)}
    assert it.steps == [3, 7]
    assert checkpoint.best(it.storage)[0] == "ckpt-00000003"
    assert [row["step"] for row in read_metrics(it.storage)] == [1, 2, 3, 4, 5, 6, 7]
    it.close()


@pytest.mark.parametrize("delay", [0, 0.02])
def test_every_validated_checkpoint_that_a_fast_disk_keeps_a_slow_one_keeps_too(tmp_path, delay):
    files = FaultyFiles(Storage(str(tmp_path)).filesystem, slow(delay, "theta"))
    it = Writing(str(tmp_path / "run"), files, keep=3)
    scores = {4: 0.2, 8: 0.9, 12: 0.1, 16: 0.3}
    for step in range(1, 18):
        it.submit(step, scores.get(step))
        if not delay:
            it.writer.flush()
    it.writer.flush()
    assert {8, 16} <= set(it.steps)
    assert it.steps[-1] == 17
    it.close()


def test_memory_is_bounded_though_nothing_validated_is_dropped(gated):
    submitted = []

    def submit_many():
        for step in range(2, 12):
            gated.submit(step, score=step)
            submitted.append(step)

    thread = threading.Thread(target=submit_many)
    thread.start()
    thread.join(0.5)
    assert len(submitted) == 4
    gated.open_gate()
    thread.join(30)
    gated.writer.flush()
    assert gated.steps == [10, 11]


def test_closing_writes_what_waits(gated):
    gated.submit(2)
    gated.open_gate()
    gated.writer.close()
    assert gated.steps == [1, 2]


def test_a_write_that_fails_surfaces_at_the_next_submit_in_one_line(place):
    location, files = place
    it = Writing(location, files)
    it.submit(4)
    it.writer.flush()
    files.fault = fail_at(0)
    it.submit(8)
    with pytest.raises(CheckpointError) as error:
        it.writer.flush()
    assert str(error.value) == (
        f"ckpt-00000008 could not be written to {location}: No space left on device; the last good "
        "checkpoint is ckpt-00000004; free some space and continue with --resume"
    )
    with pytest.raises(CheckpointError, match="No space left"):
        it.submit(12)
    with pytest.raises(CheckpointError, match="No space left"):
        it.writer.check()
    it.close()
    assert it.notes == []
    assert it.steps == [4]


def test_a_write_that_fails_and_that_nobody_asks_about_is_told_when_it_is_closed(place):
    it = Writing(*place)

    def fault(kind, path):
        if kind == "torn":
            raise no_space()

    place[1].fault = fault
    it.submit(4)
    it.close()
    assert len(it.notes) == 1
    assert "ckpt-00000004 could not be written" in it.notes[0]
    assert "there is no checkpoint yet" in it.notes[0]


def test_what_was_written_of_a_checkpoint_that_fails_is_removed(place):
    it = Writing(*place)
    it.submit(4)
    it.writer.flush()

    def fault(kind, path):
        if kind == "torn" and "ckpt-00000008/optimizer" in path:
            raise no_space()

    place[1].fault = fault
    it.submit(8)
    with pytest.raises(CheckpointError):
        it.writer.flush()
    assert it.storage.list("checkpoints") == ["ckpt-00000004"]
    it.close()


def test_an_error_of_our_own_is_not_called_one_of_the_disk(place):
    it = Writing(*place)
    it.writer.submit(Snapshot(None, {}))
    with pytest.raises(AttributeError):
        it.writer.flush()
    it.close()


def test_a_save_reads_nothing_and_writes_each_file_once(place):
    it = Writing(*place)
    for step in range(4, 24, 4):
        it.submit(step, score=-step)
        it.writer.flush()
    done = place[1].done
    assert [path for kind, path in done if kind == "open_input_stream"] == []
    # The claim of a folder on a store is written again and again.
    written = [path for kind, path in done if kind == "open_output_stream" and LOCK not in path]
    assert len(written) == len(set(written))
    assert it.steps == [4, 16, 20]
    it.close()


def test_what_was_there_is_verified_once_and_a_damaged_one_is_left_alone_and_not_counted(place):
    location, files = place
    storage = Storage(location, files.filesystem())
    for step in (4, 8, 12):
        save(storage, step)
    storage.write("checkpoints/ckpt-00000012/theta.arrow", b"not this")
    storage.write("checkpoints/ckpt-00000006/theta.arrow", b"without a manifest")
    it = Writing(location, files, keep=2, first_step=8)
    files.done.clear()
    for step in (9, 10):
        it.submit(step)
        it.writer.flush()
    assert it.steps == [9, 10, 12]
    assert it.storage.list("checkpoints") == [f"ckpt-{step:08d}" for step in (9, 10, 12)]
    read = [path for kind, path in files.done if kind == "open_input_stream"]
    assert len(read) == len(set(read))
    it.submit(12)
    it.writer.flush()
    assert it.steps == [10, 12]
    assert checkpoint.load_latest(it.storage)[0].step == 12
    it.close()


def test_a_deletion_that_fails_is_told_once_and_tried_again(place):
    it = Writing(*place, keep=1)

    def fault(kind, path):
        if kind == "delete_file" and "ckpt-00000004" in path:
            raise PermissionError(13, "Permission denied")

    place[1].fault = fault
    for step in (4, 8, 12):
        it.submit(step)
        it.writer.flush()
    assert it.steps == [4, 12]
    assert it.notes == [
        f"{it.storage.location}: ckpt-00000004 cannot be deleted: Permission denied; "
        "trying again at each save"
    ]
    place[1].fault = lambda kind, path: None
    it.submit(16)
    it.writer.flush()
    assert it.steps == [16]
    it.close()


def test_the_rows_up_to_a_checkpoint_are_durable_before_it_is(tmp_path, monkeypatch):
    synced = []

    fsync = os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda fd: (synced.append(os.readlink(f"/proc/self/fd/{fd}")), fsync(fd))
    )
    location = str(tmp_path / "run")
    it = Writing(location, FaultyFiles(Storage(location).filesystem))
    it.submit(4)
    it.writer.flush()
    names = [path.rpartition("/")[2] for path in synced]
    assert names.index("metrics.jsonl") < names.index(".manifest.json.part")
    it.close()
