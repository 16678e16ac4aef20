import contextlib
import json
import shutil
from dataclasses import replace

import pyarrow as pa
import pytest
from small_checkpoints import FILES, flip, make_manifest, make_state, path, same, save

from orchestrator.storage import checkpoint
from orchestrator.storage.manifest import FORMAT_VERSION
from orchestrator.storage.retention import Retention
from orchestrator.storage.storage import Storage
from workers.wire.errors import CheckpointError


@pytest.fixture(params=["local", "object store"])
def storage(request, tmp_path):
    if request.param == "local":
        return Storage(str(tmp_path / "run"))
    return Storage("mock://bucket/run")


def prune(storage, keep):
    retention = Retention(storage, keep, print)
    retention.open()
    retention.prune()


def test_a_checkpoint_comes_back_bit_for_bit(storage):
    state = make_state()
    manifest = make_manifest(state, {"metric": "loss", "score": 0.5, "sign": -1})
    name = checkpoint.save(storage, state, manifest)
    assert name == "ckpt-00000004"
    loaded, described = checkpoint.load(storage, name)
    assert loaded.step == 4
    assert loaded.names == state.names
    assert same(loaded.theta, state.theta)
    assert list(loaded.optimizer) == list(state.optimizer)
    assert same(loaded.optimizer.values(), state.optimizer.values())
    assert described == manifest


def test_a_state_without_optimizer_variables_comes_back_without_them(storage):
    state = replace(make_state(0), optimizer={})
    name = checkpoint.save(storage, state, make_manifest(state))
    assert checkpoint.load(storage, name)[0].optimizer == {}


def test_what_is_loaded_can_be_written_to(storage):
    state, _ = checkpoint.load(storage, save(storage, 4))
    for array in [*state.theta, *state.optimizer.values()]:
        array[...] = 1


def test_the_files_are_plain_arrow_that_anybody_can_read(tmp_path):
    state = make_state()
    name = save(Storage(str(tmp_path)), 4)
    with pa.ipc.open_file(str(tmp_path / path(name, "theta.arrow"))) as reader:
        table = reader.read_all()
    assert table.num_rows == 1
    assert table.column_names == state.names
    kernel = table.column(0).combine_chunks()
    assert kernel.to_numpy_ndarray()[0].tobytes() == state.theta[0].tobytes()
    assert table.schema.field(0).type.shape == [3, 4]
    manifest = json.loads((tmp_path / path(name, "manifest.json")).read_text())
    assert (manifest["step"], manifest["format_version"]) == (4, FORMAT_VERSION)
    assert {file: entry["bytes"] for file, entry in manifest["files"].items()} == {
        file: (tmp_path / path(name, file)).stat().st_size for file in FILES[:3]
    }


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


def test_the_manifest_is_written_last(storage):
    written = []
    write = storage.write
    storage.write = lambda name, content: (written.append(name), write(name, content))
    name = save(storage, 8)
    assert [file.rpartition("/")[2] for file in written] == FILES
    assert {file.rpartition("/")[0] for file in written} == {f"checkpoints/{name}"}


def test_before_a_checkpoint_is_written_over_its_manifest_goes(storage):
    """A reader must never see the old one's manifest beside the new one's files."""
    name = save(storage, 8)
    write = storage.write
    committed = []

    def watched(file, content):
        committed.append(checkpoint.names(storage))
        write(file, content)

    storage.write = watched
    save(storage, 8, 0.5)
    assert committed == [[]] * 4
    assert checkpoint.names(storage) == [name]


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
    assert [found.problem for found in checkpoint.survey(storage)] == ["", problem]
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


@pytest.mark.parametrize(
    ("sign", "scores", "expected"),
    [
        (1, {4: 0.5, 8: 0.9, 12: 0.7}, 8),
        (-1, {4: 0.5, 8: 0.9, 12: 0.7}, 4),
        (1, {4: 0.5, 8: None, 12: 0.7}, 12),
        (-1, {4: None, 8: 0.9, 12: None}, 8),
        (1, {4: 0.5, 8: 0.5, 12: 0.5}, 4),
        (-1, {4: 0.5, 8: 0.5, 12: 0.5}, 4),
        (-1, {4: -0.5, 8: 0.0, 12: -2.5}, 12),
    ],
)
def test_the_best_is_by_the_sign_of_the_score_and_the_earliest_of_equals(
    storage, sign, scores, expected
):
    for step, score in scores.items():
        save(storage, step, score, sign)
    name, validation, problems = checkpoint.best(storage)
    assert problems == []
    assert name == f"ckpt-{expected:08d}"
    assert validation["score"] == scores[expected]


def test_without_a_validation_nothing_is_best(storage):
    with pytest.raises(CheckpointError, match="no validated checkpoint"):
        checkpoint.best(storage)
    save(storage, 4)
    with pytest.raises(CheckpointError, match="no validated checkpoint"):
        checkpoint.best(storage)


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


@pytest.mark.parametrize("file", ["manifest.json", "theta.arrow"])
def test_the_best_is_one_that_verifies(storage, file):
    save(storage, 4, 0.5)
    name = save(storage, 8, 0.9)
    storage.write(path(name, file), b"not this")
    name, _, problems = checkpoint.best(storage)
    assert name == "ckpt-00000004"
    assert [problem.split("/")[0] for problem in problems] == ["ckpt-00000008"]


def test_saving_a_step_again_replaces_it(storage):
    save(storage, 8, 0.1)
    save(storage, 8, 0.9)
    assert checkpoint.names(storage) == ["ckpt-00000008"]
    assert checkpoint.load(storage, "ckpt-00000008")[1].validation["score"] == 0.9
