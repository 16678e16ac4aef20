"""Checkpoints come back as they were saved, and the best one is found."""

import json
from dataclasses import replace

import pyarrow as pa
import pytest
from small_checkpoints import FILES, make_manifest, make_state, path, same, save

from orchestrator.storage import checkpoint
from orchestrator.storage.manifest import FORMAT_VERSION
from orchestrator.storage.storage import Storage
from workers.wire.errors import CheckpointError


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
