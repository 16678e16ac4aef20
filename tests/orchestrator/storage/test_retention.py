"""Retention: the newest checkpoints and the best one are kept."""

import contextlib

import pytest
from small_checkpoints import path, save

from orchestrator.storage import checkpoint
from orchestrator.storage.retention import Retention
from workers.wire.errors import CheckpointError


def prune(storage, keep):
    retention = Retention(storage, keep, print)
    retention.open()
    retention.prune()


@pytest.mark.parametrize(
    ("keep", "scores", "kept"),
    [
        (1, {0: None, 4: None, 8: None}, [8]),
        (2, {0: None, 4: None, 8: None}, [4, 8]),
        (9, {0: None, 4: None, 8: None}, [0, 4, 8]),
        (1, {0: None, 4: 0.9, 8: 0.5, 12: 0.7}, [4, 12]),
        (2, {0: None, 4: 0.9, 8: 0.5, 12: 0.7}, [4, 8, 12]),
        (2, {0: None, 4: 0.1, 8: 0.5, 12: 0.7}, [8, 12]),
        (1, {0: None, 4: 0.9, 8: None, 12: None, 16: None}, [4, 16]),
    ],
)
def test_retention_keeps_the_newest_and_the_best(storage, keep, scores, kept):
    for step, score in scores.items():
        save(storage, step, score)
    prune(storage, keep)
    names = [f"ckpt-{step:08d}" for step in kept]
    assert checkpoint.names(storage) == names
    assert storage.list("checkpoints") == names
    for name in names:
        checkpoint.load(storage, name)


def test_what_the_user_has_put_beside_the_checkpoints_is_left_alone(storage):
    for step in (4, 8):
        save(storage, step)
    storage.write("checkpoints/ckpt-00000004.copy/manifest.json", b"{}")
    storage.write("checkpoints/ckpt-mine/theta.arrow", b"mine")
    prune(storage, 1)
    assert checkpoint.names(storage) == ["ckpt-00000008"]
    assert storage.list("checkpoints") == ["ckpt-00000004.copy", "ckpt-00000008", "ckpt-mine"]


def test_retention_goes_on_beside_a_damaged_manifest(storage):
    """A run that fell back to the checkpoint before must be able to save the next one."""
    save(storage, 4)
    storage.write(path(save(storage, 12), "manifest.json"), b"{")
    assert checkpoint.load_latest(storage)[0].step == 4
    save(storage, 8)
    prune(storage, 1)
    assert checkpoint.load_latest(storage)[0].step == 8


def test_retention_does_not_keep_a_damaged_checkpoint_instead_of_a_whole_one(storage):
    """After a fallback the damaged one has the highest step; the new ones are what counts."""
    save(storage, 4)
    storage.write(path(save(storage, 12), "theta.arrow"), b"not this")
    assert checkpoint.load_latest(storage)[0].step == 4
    save(storage, 8)
    prune(storage, 1)
    assert checkpoint.load_latest(storage)[0].step == 8


def test_what_cannot_be_read_just_now_is_not_deleted(storage):
    """An object store that fails for a moment must not cost the run its checkpoints."""
    for step in (4, 8, 12):
        save(storage, step)
    read = storage.read

    def broken(name):
        raise OSError("the network is down")

    storage.read = broken
    with contextlib.suppress(OSError, CheckpointError):
        prune(storage, 1)
    storage.read = read
    assert checkpoint.load_latest(storage)[0].step == 12
