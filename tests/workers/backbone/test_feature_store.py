"""The file of features: written whole, checked, and computed by one process at a time."""

import errno
import multiprocessing
import os

import numpy as np
import pytest

from workers.backbone import feature_store
from workers.backbone.feature_store import open_store
from workers.wire.errors import DataError

FEATURES = np.random.default_rng(0).normal(size=(11, 5)).astype(np.float32)


def counted(features=FEATURES, beside=None):
    calls = []

    def compute():
        calls.append(1)
        return features, beside or {}

    return compute, calls


def test_features_are_computed_once_and_mapped(tmp_path):
    file = tmp_path / "new" / "features.arrow"
    compute, calls = counted(beside={"strings": True})
    for _ in range(2):
        store = open_store(file, compute)
        np.testing.assert_array_equal(store.features, FEATURES)
        assert store.facts == {"strings": True}
    assert calls == [1]
    assert list(file.parent.iterdir()) == [file]
    with pytest.raises(ValueError, match="read-only"):
        store.features[0] = 0


def test_the_digest_is_of_the_numbers_and_their_shape(tmp_path):
    changed = FEATURES.copy()
    changed[3, 2] = np.nextafter(changed[3, 2], np.float32(9))
    others = [FEATURES, changed, FEATURES.reshape(5, 11)]
    digests = {
        open_store(tmp_path / f"{i}.arrow", counted(each)[0]).digest
        for i, each in enumerate(others)
    }
    assert len(digests) == 3
    again = open_store(tmp_path / "again.arrow", counted(FEATURES)[0]).digest
    assert again in digests


DAMAGES = {
    "cut": lambda content: content[:300],
    "cut at its end": lambda content: content[:-1],
    "empty": lambda content: b"",
    "another number": lambda content: content.replace(FEATURES[3].tobytes(), FEATURES[4].tobytes()),
    "another digest": lambda content: content.replace(b'"digest":"', b'"digest":"x', 1)[:-1],
    "other facts": lambda content: content.replace(b'"beside":{}', b'"beside":1 '),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_computed_again(damage, tmp_path):
    file = tmp_path / "features.arrow"
    open_store(file, counted()[0])
    content = file.read_bytes()
    damaged = DAMAGES[damage](content)
    assert damaged != content
    file.write_bytes(damaged)
    compute, calls = counted()
    np.testing.assert_array_equal(open_store(file, compute).features, FEATURES)
    assert calls == [1]
    assert file.read_bytes() == content


def test_a_file_of_other_features_under_this_name_is_not_trusted(tmp_path):
    open_store(tmp_path / "other.arrow", counted(FEATURES + 1)[0])
    (tmp_path / "other.arrow").rename(tmp_path / "features.arrow")
    compute, calls = counted()
    store = open_store(tmp_path / "features.arrow", compute)
    np.testing.assert_array_equal(store.features, FEATURES)
    assert calls == [1]


def _open_and_say(file, computed, may_end):
    def compute():
        computed.put(os.getpid())
        may_end.wait(20)
        return FEATURES, {}

    open_store(file, compute)


def test_of_several_processes_one_computes_and_the_others_wait(tmp_path):
    forked = multiprocessing.get_context("fork")
    computed, may_end = forked.Queue(), forked.Event()
    arguments = tmp_path / "features.arrow", computed, may_end
    processes = [forked.Process(target=_open_and_say, args=arguments) for _ in range(3)]
    for process in processes:
        process.start()
    first = computed.get(timeout=20)
    may_end.set()
    for process in processes:
        process.join(20)
        assert process.exitcode == 0
    assert first in [process.pid for process in processes]
    assert computed.empty()
    assert [file.name for file in tmp_path.iterdir()] == ["features.arrow"]


def test_a_process_that_dies_while_it_computes_leaves_no_lock(tmp_path):
    forked = multiprocessing.get_context("fork")
    computed, never = forked.Queue(), forked.Event()
    arguments = tmp_path / "features.arrow", computed, never
    process = forked.Process(target=_open_and_say, args=arguments)
    process.start()
    computed.get(timeout=20)
    process.kill()
    process.join(20)
    compute, calls = counted()
    open_store(tmp_path / "features.arrow", compute)
    assert calls == [1]


def test_without_locks_each_process_computes_its_own(tmp_path, monkeypatch):
    def no_locks(*arguments):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(feature_store.fcntl, "flock", no_locks)
    compute, calls = counted()
    open_store(tmp_path / "features.arrow", compute)
    assert calls == [1]


def test_a_folder_that_cannot_be_written_is_named_before_anything_is_computed(tmp_path):
    (tmp_path / "file").touch()
    compute, calls = counted()
    with pytest.raises(
        DataError,
        match=r"model.backbone_cache: cannot write .*features.arrow "
        r"\(.*\); use --set model.backbone_cache=FOLDER",
    ):
        open_store(tmp_path / "file" / "features.arrow", compute)
    assert calls == []


def test_a_full_disk_is_one_line_and_leaves_nothing(tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DataError, match=r"cannot write .* \(No space left on device\)"):
        open_store(tmp_path / "features.arrow", counted()[0])
    assert list(tmp_path.iterdir()) == []
