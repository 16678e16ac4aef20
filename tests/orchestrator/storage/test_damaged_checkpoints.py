"""Damaged and incomplete checkpoints: each is named, and the one before it counts."""

import json
import shutil
from dataclasses import replace

import pytest
from small_checkpoints import FILES, flip, make_manifest, make_state, path, save

from orchestrator.storage import checkpoint
from orchestrator.storage.manifest import FORMAT_VERSION
from orchestrator.storage.storage import Storage
from workers.wire.errors import CheckpointError

DAMAGES = {
    "a byte flipped at the start": lambda content: flip(content, 0),
    "a byte flipped in the middle": lambda content: flip(content, len(content) // 2),
    "a byte flipped at the end": lambda content: flip(content, len(content) - 1),
    "cut to half": lambda content: content[: len(content) // 2],
    "the last byte cut off": lambda content: content[:-1],
    "empty": lambda content: b"",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_file_is_named_and_the_checkpoint_before_is_taken(storage, file, damage):
    save(storage, 4)
    name = save(storage, 8)
    storage.write(path(name, file), damage(storage.read(path(name, file))))
    with pytest.raises(CheckpointError) as refused:
        checkpoint.load(storage, name)
    assert f"{name}/{file}" in str(refused.value)
    assert "\n" not in str(refused.value)
    state, manifest, problems = checkpoint.load_latest(storage)
    assert (state.step, manifest.step) == (4, 4)
    assert problems == [str(refused.value)]


def test_no_flipped_byte_of_a_manifest_goes_unnoticed():
    """The manifest decides what the files must be, so nothing else can vouch for it."""
    storage = Storage("mock://bucket/run")
    name = save(storage, 8, score=0.5)
    content = storage.read(path(name, "manifest.json"))
    original = checkpoint.load(storage, name)[1]
    unnoticed = []
    for position in range(len(content)):
        storage.write(path(name, "manifest.json"), flip(content, position))
        try:
            loaded = checkpoint.load(storage, name)[1]
        except CheckpointError:
            continue
        if loaded != original:
            unnoticed.append(content[max(0, position - 15) : position + 15])
    assert unnoticed == []


@pytest.mark.parametrize("file", FILES[:2])
def test_a_missing_file_is_named_and_the_checkpoint_before_is_taken(storage, file):
    save(storage, 4)
    name = save(storage, 8)
    storage.delete(path(name, file))
    state, _, problems = checkpoint.load_latest(storage)
    assert state.step == 4
    assert len(problems) == 1
    assert f"{name}/{file}" in problems[0]


def test_two_bad_checkpoints_are_both_named(storage):
    save(storage, 4)
    for step in (8, 12):
        storage.write(path(save(storage, step), "theta.arrow"), b"not this")
    state, _, problems = checkpoint.load_latest(storage)
    assert state.step == 4
    assert [problem.split("/")[0] for problem in problems] == ["ckpt-00000012", "ckpt-00000008"]


def test_when_all_are_bad_the_error_is_one_line(storage):
    for step in (4, 8):
        storage.write(path(save(storage, step), "optimizer.arrow"), b"not this")
    with pytest.raises(CheckpointError) as refused:
        checkpoint.load_latest(storage)
    assert "\n" not in str(refused.value)
    assert storage.location in str(refused.value)
    assert "ckpt-00000008/optimizer.arrow" in str(refused.value)


def test_a_checkpoint_without_a_manifest_does_not_exist(storage):
    assert checkpoint.load_latest(storage) is None
    name = save(storage, 8)
    storage.delete(path(name, "manifest.json"))
    assert checkpoint.names(storage) == []
    assert checkpoint.load_latest(storage) is None
    save(storage, 4)
    assert checkpoint.names(storage) == ["ckpt-00000004"]


def test_a_crash_while_saving_leaves_the_checkpoint_before(storage):
    save(storage, 4)
    write = storage.write

    def full_disk(name, content):
        if name.endswith("optimizer.arrow"):
            raise OSError("no space left")
        write(name, content)

    storage.write = full_disk
    with pytest.raises(OSError, match="no space"):
        save(storage, 8)
    storage.write = write
    state, _, problems = checkpoint.load_latest(storage)
    assert (state.step, problems) == (4, [])
    save(storage, 8)
    assert checkpoint.load_latest(storage)[0].step == 8


def test_a_checkpoint_in_the_place_of_another_is_noticed(tmp_path):
    storage = Storage(str(tmp_path))
    one, other = save(storage, 4), save(storage, 8)
    shutil.copy(tmp_path / path(one, "theta.arrow"), tmp_path / path(other, "theta.arrow"))
    with pytest.raises(CheckpointError, match=r"ckpt-00000008/theta\.arrow"):
        checkpoint.load(storage, other)


def test_a_theta_that_is_not_the_manifests_is_noticed(storage):
    good = save(storage, 4)
    state = make_state(8)
    bad = checkpoint.save(storage, state, replace(make_manifest(state), theta_sha256="0" * 64))
    problem = f"{bad} holds another theta than its manifest says (theta_sha256)"
    assert [status.problem for status in checkpoint.survey(storage)] == ["", problem]
    state, _, problems = checkpoint.load_latest(storage)
    assert (checkpoint.name_of(state.step), problems) == (good, [problem])


def test_a_format_from_the_future_is_refused(storage):
    name = save(storage, 8)
    table = json.loads(storage.read(path(name, "manifest.json")))
    table["format_version"] = FORMAT_VERSION + 1
    table["a_key_of_the_future"] = 1
    storage.write(path(name, "manifest.json"), json.dumps(table).encode())
    with pytest.raises(CheckpointError) as refused:
        checkpoint.load(storage, name)
    assert str(refused.value) == (
        f"{name} has format version {FORMAT_VERSION + 1}, this is {FORMAT_VERSION}"
    )
