"""Whole runs on disks that fail: each ends with one line, and resumes to the same weights."""

import shutil
import threading
from pathlib import Path

import pytest
from faulty_files import FaultyFiles, no_space
from small_configs import sinusoid
from small_runs import in_process

from orchestrator.records.metrics_log import read_metrics
from orchestrator.run.resume import find_state
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from workers.wire.errors import CheckpointError


@pytest.fixture(scope="module")
def config():
    return sinusoid("checkpoint.every=2")


def start(config, storage, notify=lambda note: None):
    state, *_ = find_state(config, storage, storage.exists("config.toml"), allow_changes=False)
    return TrainingRun(config, storage, in_process(config), state, notify)


def train_and_test(run):
    for _ in run.steps():
        run.flush()  # so that none is left out behind another that is written
    return run.test()


def finish(config, storage):
    """Train to the end and test: the sha256 of theta, the scores, the losses of each step."""
    run = start(config, storage)
    try:
        result = train_and_test(run)
    finally:
        run.close()
    rows = [(row["step"], row["loss_before"], row["loss_after"]) for row in read_metrics(storage)]
    return run.theta_sha256, result, rows


@pytest.fixture(scope="module")
def undisturbed(config, tmp_path_factory):
    return finish(config, Storage(str(tmp_path_factory.mktemp("runs") / "run")))


def full(part, kinds=("torn",)):
    """The disk is full from the first write to a path that holds `part` on."""
    struck = []

    def fault(kind, path):
        if struck or (kind in kinds and part in path):
            struck.append(path)
            raise no_space()

    return fault


@pytest.fixture(params=["local", "object store"])
def files(request, tmp_path):
    location = str(tmp_path / "run") if request.param == "local" else "mock://bucket/run"
    it = FaultyFiles(Storage(location).filesystem)
    it.location = location
    return it


@pytest.mark.parametrize(
    ("part", "saved"),
    [
        ("ckpt-00000002/theta.arrow", 0),
        ("ckpt-00000006/carry.arrow", 4),
        ("ckpt-00000008/manifest.json", 6),
        ("ckpt-00000012/optimizer.arrow", 10),
    ],
)
def test_a_disk_that_is_full_ends_the_run_and_with_room_it_goes_on_to_the_same(
    config, undisturbed, files, part, saved
):
    storage = Storage(files.location, files.filesystem())
    files.fault = full(part)
    run = start(config, storage)
    with pytest.raises(CheckpointError) as error:
        train_and_test(run)
    run.close()
    assert str(error.value) == (
        f"{part.split('/')[0]} could not be written to {files.location}: No space left on device; "
        f"the last good checkpoint is {checkpoint.name_of(saved)}; free some space and continue "
        "with --resume"
    )
    files.fault = lambda kind, path: None
    assert checkpoint.load_latest(storage)[0].step == saved
    assert finish(config, storage) == undisturbed


@pytest.mark.parametrize("what", ["config.toml", "ckpt-00000000", "evaluation.json"])
def test_whatever_cannot_be_written_is_named(config, undisturbed, files, what):
    storage = Storage(files.location, files.filesystem())
    files.fault = full(what)
    with pytest.raises(CheckpointError, match=f"^{what} could not be written to .*No space left"):
        finish(config, storage)
    files.fault = lambda kind, path: None
    assert finish(config, storage) == undisturbed


def test_metrics_that_cannot_be_written_end_the_run(config, undisturbed, tmp_path):
    """They are not written through pyarrow, so the disk is a file that is always full."""
    storage = Storage(str(tmp_path / "run"))
    run = start(config, storage)
    run._log._stream.close()
    run._log._stream = Path("/dev/full").open("w")  # noqa: SIM115
    with pytest.raises(CheckpointError, match="No space left on device; the last good checkpoint"):
        train_and_test(run)
    run.close()
    assert finish(config, storage) == undisturbed


def test_the_step_after_a_failed_write_does_not_happen(config, files):
    """The error is not kept for the end."""
    storage = Storage(files.location, files.filesystem())
    run = start(config, storage)
    files.fault = full("ckpt-00000002")
    steps = run.steps()
    next(steps)
    next(steps)
    run._writer._thread.join(30)
    with pytest.raises(CheckpointError, match="ckpt-00000002 could not be written"):
        next(steps)
    run.close()
    files.fault = lambda kind, path: None
    assert checkpoint.names(storage) == ["ckpt-00000000"]


def test_a_step_does_not_wait_for_a_checkpoint(config, files):
    storage = Storage(files.location, files.filesystem())
    run = start(config, storage)
    opened = threading.Event()

    def fault(kind, path):
        if kind == "torn" and "ckpt-00000002/theta" in path:
            assert opened.wait(60)

    files.fault = fault
    steps = run.steps()
    for step in range(1, 8):
        assert next(steps).report.step == step
    assert run.saved_step == 0
    opened.set()
    run.flush()
    assert run.saved_step == 6
    run.close()


def test_a_checkpoint_that_cannot_be_deleted_is_a_note(config, undisturbed, files):
    storage = Storage(files.location, files.filesystem())

    def fault(kind, path):
        if kind == "delete_dir" and "ckpt-00000002" in path:
            raise PermissionError(13, "Permission denied")

    files.fault = fault
    notes = []
    run = start(config, storage, notes.append)
    train_and_test(run)
    run.close()
    assert run.theta_sha256 == undisturbed[0]
    assert len(notes) == 1
    assert "ckpt-00000002 cannot be deleted: Permission denied" in notes[0]


@pytest.mark.slow
def test_what_a_run_leaves_does_not_depend_on_how_fast_the_disk_is(config, tmp_path):
    names = set()
    for part in ("nothing", "theta.arrow"):
        files = FaultyFiles(Storage(str(tmp_path)).filesystem)
        gate = threading.Event()
        files.fault = lambda kind, path, part=part, gate=gate: (
            gate.wait(0.05) if kind == "torn" and part in path else None
        )
        storage = Storage(str(tmp_path / part), files.filesystem())
        _, result, _ = finish(config, storage)
        validated = [s for s in (4, 8, 12) if checkpoint.name_of(s) in checkpoint.names(storage)]
        names.add((result.checkpoint, result.theta_sha256, tuple(validated)))
        shutil.rmtree(tmp_path / part)
    assert len(names) == 1
