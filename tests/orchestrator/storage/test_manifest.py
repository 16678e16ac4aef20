"""Checkpoints that are not what a run writes: passed over, each named, and older ones found."""

import hashlib
import json
import shutil

import pytest
from small_checkpoints import path, save

from orchestrator.storage import checkpoint
from orchestrator.storage.manifest import digest_of
from orchestrator.storage.retention import Retention
from orchestrator.storage.storage import Storage


@pytest.fixture(params=["local", "object store"])
def storage(request, tmp_path):
    if request.param == "local":
        return Storage(str(tmp_path / "run"))
    return Storage("mock://bucket/run")


def prune(storage, keep):
    retention = Retention(storage, keep, print)
    retention.open()
    retention.prune()


def rewrite(storage, name, change):
    """Change a manifest's table, and let it vouch for itself again."""
    file = path(name, "manifest.json")
    table = json.loads(storage.read(file))
    del table["manifest_sha256"]
    change(table)
    table["manifest_sha256"] = digest_of(table)
    storage.write(file, json.dumps(table).encode())


def set_file(table, **entry):
    table["files"]["theta.arrow"] = entry


NOT_OURS = {
    "a key more": (
        lambda t: t.update(new=1),
        "the key 'new' is unknown; a newer",
    ),
    "no files": (lambda t: t.pop("files"), "'files': Field required"),
    "no theta": (lambda t: t["files"].pop("theta.arrow"), "files are carry.arrow, optimizer.arrow"),
    "a file elsewhere": (lambda t: t["files"].update({"../x": t["files"]["theta.arrow"]}), "../x"),
    "files in a list": (lambda t: t.update(files=[]), "'files': Input should be"),
    "a file without its sha256": (lambda t: set_file(t, bytes=3), "sha256'"),
    "no step": (lambda t: t.pop("step"), "'step': Field required"),
    "a step that is text": (lambda t: t.update(step="8"), "'step': Input should be a valid int"),
    "a step that is true": (lambda t: t.update(step=True), "'step': Input should be a valid int"),
    "a negative step": (lambda t: t.update(step=-8), "'step': Input should be greater"),
    "a validation without a score": (lambda t: t.update(validation={"metric": "a"}), "validation"),
    "bits that are a number": (lambda t: t.update(bits=1), "'bits': Input should be a valid dict"),
}


@pytest.mark.parametrize(("change", "message"), NOT_OURS.values(), ids=NOT_OURS.keys())
def test_a_manifest_that_is_not_ours_is_passed_over_and_named(storage, change, message):
    save(storage, 4, score=0.5)
    name = save(storage, 8, score=0.9)
    rewrite(storage, name, change)
    state, _, problems = checkpoint.load_latest(storage)
    assert state.step == 4
    assert len(problems) == 1
    assert problems[0].startswith(f"{name}/manifest.json is not one of this metatrain: ")
    assert message in problems[0]
    assert "\n" not in problems[0]
    assert checkpoint.best(storage)[0] == "ckpt-00000004"
    assert [status.problem for status in checkpoint.survey(storage)] == ["", problems[0]]


@pytest.mark.parametrize(
    "content",
    [
        b"[" * 100_000,
        b'{"a": ' * 100_000,
        b"null",
        b'"x"',
        b"\xff\xfe",
        b'{"step": 1' + b"0" * 5000,
    ],
    ids=["lists", "tables", "null", "text", "no text", "a number of 5000 digits"],
)
def test_a_manifest_that_is_nothing_of_the_kind_is_passed_over_and_named(storage, content):
    save(storage, 4)
    name = save(storage, 8)
    storage.write(path(name, "manifest.json"), content)
    state, _, problems = checkpoint.load_latest(storage)
    assert state.step == 4
    assert len(problems) == 1
    assert problems[0].startswith(name)


@pytest.mark.parametrize("name", ["ckpt-20261128", "ckpt-00000012", "ckpt-100000000"])
def test_a_copied_checkpoint_is_passed_over_and_named(tmp_path, name):
    storage = Storage(str(tmp_path))
    save(storage, 4, score=0.5)
    save(storage, 8, score=0.9)
    shutil.copytree(tmp_path / path("ckpt-00000004", ""), tmp_path / path(name, ""))
    state, _, problems = checkpoint.load_latest(storage)
    assert state.step == 8
    assert problems == [f"{name} holds step 4: it is a copy of another checkpoint; move it away"]
    assert checkpoint.best(storage)[::2] == ("ckpt-00000008", problems)
    prune(storage, 1)
    assert checkpoint.names(storage) == ["ckpt-00000008", name]  # it is the user's


def test_a_copy_under_another_kind_of_name_is_nothing_to_a_reader(tmp_path):
    storage = Storage(str(tmp_path))
    name = save(storage, 4)
    for other in ("ckpt-00000004 copy", "ckpt-4", "ckpt-000000004", "ckpt-٠٠٠٠٠٠٠٤", "old"):
        shutil.copytree(tmp_path / path(name, ""), tmp_path / path(other, ""))
    assert checkpoint.names(storage) == [name]
    assert checkpoint.load_latest(storage)[2] == []


def test_the_newest_is_the_one_of_the_greatest_step_whatever_its_digits():
    storage = Storage("mock://bucket/run")
    for step in (99_999_999, 100_000_000, 4):
        save(storage, step, score=1.0)
    assert [checkpoint.step_of(n) for n in checkpoint.names(storage)] == [4, 99_999_999, 10**8]
    assert checkpoint.load_latest(storage)[0].step == 10**8
    prune(storage, 1)
    assert [checkpoint.step_of(name) for name in checkpoint.names(storage)] == [4, 10**8]


def test_tensors_that_are_whole_and_are_none_are_passed_over(storage):
    save(storage, 4)
    name = save(storage, 8)
    content = b"no Arrow at all"
    storage.write(path(name, "theta.arrow"), content)
    digest = hashlib.sha256(content).hexdigest()
    rewrite(storage, name, lambda table: set_file(table, bytes=len(content), sha256=digest))
    state, _, problems = checkpoint.load_latest(storage)
    assert state.step == 4
    assert problems == [f"{name} holds tensors that cannot be read"]
