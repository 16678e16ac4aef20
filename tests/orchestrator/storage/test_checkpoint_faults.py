"""One fault at every single operation of the checkpoint writer, before it or half-way through."""

import itertools
import os
from dataclasses import replace

import pytest
from faulty_files import FaultyFiles, fail_at, no_space
from small_checkpoints import Writing, make_manifest, make_state, same, save

from orchestrator.records.metrics_log import read_metrics
from orchestrator.storage import checkpoint
from orchestrator.storage.claim import LOCK
from orchestrator.storage.storage import Storage
from workers.wire.errors import CheckpointError

SCORES = {4: 0.5, 8: 0.9, 12: None, 16: 0.7, 20: None}
KEPT = [8, 16, 20]
FILES = ["local", "object store"]
LASTING = {False: "once", True: "from then on"}


@pytest.fixture
def make_files(request, tmp_path, monkeypatch):
    """Makes a fresh folder and the filesystem of it that can be made to fail; fsync counts too.

    It counts and waits for no disk: what it is for, a machine that stops, does not happen here.
    """
    made = []

    def counted(descriptor):
        made[-1].step("fsync", os.readlink(f"/proc/self/fd/{descriptor}"))

    monkeypatch.setattr(os, "fsync", counted)

    def make():
        location = f"{tmp_path}/{len(made)}" if request.param == "local" else "mock://bucket/run"
        made.append(FaultyFiles(Storage(location).filesystem))
        return location, made[-1]

    return make


def train(it, first_step=1):
    """Save at every fourth step up to 20, as far as it goes; the error that ended it, if any."""
    for step in range(first_step, 21):
        it.log.append({"step": step})
        if step not in SCORES:
            continue
        try:
            it.writer.submit(it.snapshot(step, SCORES[step]))
            it.writer.flush()
        except CheckpointError as error:
            return error
    return None


def damaged_and_resumed(location, files):
    """A run that has fallen back from ckpt-00000008, which is of other bits and damaged, to 4."""
    storage = Storage(location, files.filesystem())
    save(storage, 4, SCORES[4])
    other = replace(make_state(1008), step=8)
    checkpoint.save(storage, other, make_manifest(other))
    storage.write("checkpoints/ckpt-00000008/carry.arrow", b"damaged")
    return 4


def fresh(location, files):
    return 0


def check_what_a_reader_finds(storage, saved_step):
    """Verified checkpoints have the bits of their step, and include those reported as saved."""
    whole = []
    for name in checkpoint.names(storage):
        try:
            state, manifest = checkpoint.load(storage, name)
        except CheckpointError:
            continue
        expected = make_state(state.step)
        assert name == checkpoint.name_of(state.step) == checkpoint.name_of(manifest.step)
        assert same(state.theta, expected.theta)
        assert same(state.carry.values(), expected.carry.values())
        assert same(state.optimizer.values(), expected.optimizer.values())
        whole.append(state.step)
    if saved_step > 0:
        assert saved_step in whole
        assert checkpoint.load_latest(storage)[0].step >= saved_step


def cases():
    """Each pair of circumstances at every fourth operation; all of them, slowly, at every one."""
    for files, before, lasting in itertools.product(FILES, (fresh, damaged_and_resumed), LASTING):
        name = f"{files}-{before.__name__}-{LASTING[lasting]}"
        if (FILES.index(files) + (before is fresh) + lasting) % 2:
            yield pytest.param(files, before, lasting, 4, id=f"{name}-some")
        yield pytest.param(files, before, lasting, 1, id=name, marks=pytest.mark.slow)


@pytest.mark.parametrize(
    ("make_files", "before", "lasting", "every"), list(cases()), indirect=["make_files"]
)
def test_a_fault_at_any_operation_leaves_whole_checkpoints_and_a_resume_ends_the_same(
    make_files, before, lasting, every
):
    location, files = make_files()
    first = before(location, files)
    it = Writing(location, files, keep=2, first_step=first)
    files.done.clear()
    assert train(it, first + 1) is None
    it.close()
    operations = [each for each in files.done if LOCK not in each[1]]
    assert it.steps == KEPT
    assert len(operations) > 80
    endings = set()

    for number in range(0, len(operations), every):
        location, files = make_files()
        first = before(location, files)
        it = Writing(location, files, keep=2, first_step=first)
        files.fault = fail_from(number) if lasting else fail_at(number)
        error = train(it, first + 1)
        it.close()
        if operations[number][0] != "open_input_stream":  # a note of the resume says that
            assert error or it.notes, operations[number]  # nothing fails in silence
        endings.add("error" if error else "note")
        files.fault = lambda kind, path: None
        if error:
            assert "No space left on device" in str(error)
            assert "\n" not in str(error)
        check_what_a_reader_finds(it.storage, it.writer.saved_step)

        try:
            latest = checkpoint.load_latest(it.storage)
        except CheckpointError:  # its half-written manifest could not be removed
            assert it.writer.saved_step <= 0
            continue
        resumed = latest[0].step if latest else 0
        again = Writing(location, files, keep=2, first_step=resumed)
        assert train(again, resumed + 1) is None
        again.close()
        if resumed < 20:
            assert again.steps == KEPT, operations[number]
            assert again.storage.list("checkpoints") == [checkpoint.name_of(s) for s in KEPT]
        check_what_a_reader_finds(again.storage, 20)
        rows = [row["step"] for row in read_metrics(again.storage)]
        assert rows == list(range(first + 1, 21)), operations[number]
    assert endings == {"error", "note"}


def fail_from(number):
    """A fault at the operation of that number and at every one after it."""
    counter = iter(range(10**9))

    def fault(kind, path):
        if next(counter) >= number:
            raise no_space()

    return fault
