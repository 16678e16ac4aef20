"""Tasks from .npz files, one file each."""

import json
import re

import numpy as np
import pytest
from small_npz import blobs, lines, save, save_zip, with_queries

from workers.settings.npz_task import NpzTask
from workers.tasks.npz.family import NpzFamily
from workers.wire.errors import DataError, SourceError
from workers.wire.protocol import Draw, take


def family_of(path, **settings):
    return NpzFamily(NpzTask(**{"path": str(path), "shots": 2, "queries": 3, **settings}))


def drawn(family, number=6, split="train", shots=2, queries=3):
    specs = family.sample(Draw(3, split, 0), 0, number, shots, queries)
    return specs, family.build(specs)


@pytest.fixture
def folder(tmp_path):
    return save(tmp_path / "tasks", lines())


def test_a_task_is_of_the_examples_of_one_file(folder):
    family = family_of(folder)
    assert (family.loss, family.input_shape, family.num_outputs) == ("mse", (2,), 1)
    specs, episode = drawn(family)
    for task, name in enumerate(family.names(specs)):
        arrays = lines()[name]
        rows = [*episode.support_inputs[task], *episode.query_inputs[task]]
        targets = [*episode.support_targets[task], *episode.query_targets[task]]
        places = [int(np.argmin(abs(arrays["x"] - row).sum(1))) for row in rows]
        assert len(set(places)) == 5  # no example twice
        assert np.array_equal(np.ravel(targets), arrays["y"][places].astype(np.float32))
    assert episode.support_targets.shape == (6, 2, 1)


def test_classes_are_balanced_and_whole_numbers(tmp_path):
    family = family_of(save(tmp_path / "tasks", blobs()))
    assert (family.loss, family.num_outputs, family.picture) == ("cross_entropy", 2, "confusion")
    _, episode = drawn(family)
    assert (episode.support_targets == [0, 0, 1, 1]).all()
    assert (episode.query_targets == [0, 0, 0, 1, 1, 1]).all()
    assert episode.support_targets.dtype == np.int32
    assert family.protocol("test")["classes"] == 2


def test_queries_of_their_own_are_drawn_from_query_x(tmp_path):
    tasks = with_queries(lines())
    family = family_of(save(tmp_path / "tasks", tasks))
    specs, episode = drawn(family)
    for task, name in enumerate(family.names(specs)):
        for rows, key in ((episode.support_inputs, "x"), (episode.query_inputs, "query_x")):
            there = tasks[name][key].astype(np.float32).tolist()
            assert all(row in there for row in rows[task].tolist())
    assert family.describe()["queries_from"] == "query_x"


def test_whole_files_are_split_and_any_range_gives_the_same(folder):
    family = family_of(folder)
    names = {s: {*family.names(drawn(family, 60, s)[0])} for s in ("train", "validation", "test")}
    assert sum(map(len, names.values())) == len(set().union(*names.values())) == 9
    specs, episode = drawn(family)
    again = family.sample(Draw(3, "train", 0), 4, 6, 2, 3)
    assert all(np.array_equal(again[name], specs[name][4:]) for name in specs)
    part = family.build(take(specs, 1, 3))
    assert all(np.array_equal(a, b[1:3]) for a, b in zip(part, episode, strict=True))


def test_a_split_file_names_files(folder, tmp_path):
    names = list(lines())
    listed = {"train": names[:7], "validation": names[7:8], "test": names[8:]}
    (tmp_path / "split.json").write_text(json.dumps(listed))
    family = family_of(folder, split_file=str(tmp_path / "split.json"))
    assert set(family.names(drawn(family, 5, "test")[0])) == {"machine-8"}


def test_a_zip_is_the_same_as_its_folder(folder, tmp_path):
    zipped = family_of(save_zip(tmp_path / "tasks.zip", folder))
    specs, episode = drawn(zipped)
    _, others = drawn(family_of(folder))
    assert all(np.array_equal(a, b) for a, b in zip(episode, others, strict=True))
    assert zipped.names(specs)[0].startswith("tasks/machine-")


def test_another_number_or_split_is_another_digest(folder, tmp_path):
    tasks = lines()
    tasks["machine-3"]["y"][2] += 1e-3
    digests = {family_of(place).digest for place in (folder, save(tmp_path / "other", tasks))}
    digests.add(family_of(folder, split_seed=1).digest)
    assert len(digests) == 3
    assert family_of(folder).digest in digests


def test_integers_and_images_keep_their_type_and_get_a_network_for_images(tmp_path):
    rng = np.random.default_rng(0)
    tasks = {
        f"t{i}": {"x": rng.integers(0, 255, (6, 16, 16, 3), np.uint8), "y": [0, 1] * 3}
        for i in range(4)
    }
    folder = save(tmp_path / "tasks", tasks)
    family = family_of(folder, shots=1, queries=1)
    assert family.build(family.sample(Draw(0, "test", 0), 0, 1, 1, 1))[0].dtype == np.int32
    assert NpzTask.default_model({"path": str(folder)}) == {"kind": "conv4"}
    assert NpzTask.default_model({"path": "nowhere"})["kind"] == "mlp"


def test_copies_count_once_and_are_told(tmp_path):
    tasks = lines()
    tasks["machine-0"] = {
        key: np.repeat(array, 2, axis=0) for key, array in tasks["machine-0"].items()
    }
    tasks["machine-1"]["x"][0], tasks["machine-1"]["y"][0] = (
        tasks["machine-2"]["x"][0],
        tasks["machine-2"]["y"][0],
    )
    family = family_of(save(tmp_path / "tasks", tasks), shots=4, queries=4)
    notes = family.notes()
    assert notes[0].startswith("8 examples are copies of another of the same task")
    assert "1 example is in several tasks" in notes[1]
    for split in ("train", "validation", "test"):
        _, episode = drawn(family, 30, split, 4, 4)
        for support, query in zip(episode.support_inputs, episode.query_inputs, strict=True):
            assert len({tuple(row) for row in [*support.tolist(), *query.tolist()]}) == 8


def test_small_tasks_are_refused_by_name_or_left_out(tmp_path):
    tasks = lines()
    tasks["machine-0"] = {key: array[:4] for key, array in tasks["machine-0"].items()}
    folder = save(tmp_path / "tasks", tasks)
    listed = {"train": ["machine-1"], "validation": ["machine-2"], "test": ["machine-0"]}
    (tmp_path / "split.json").write_text(json.dumps(listed))
    family = family_of(folder, split_file=str(tmp_path / "split.json"))
    drawn(family, 0, "train")
    with pytest.raises(DataError, match="the task 'machine-0' has 4 examples, shots and queries"):
        drawn(family, 0, "test")
    family = family_of(folder, small_tasks="leave_out")
    assert family.describe()["tasks_left_out"] == 1
    for split in ("train", "validation", "test"):
        drawn(family, 1, split)


# Wrong files.


def a(**arrays):
    return {key: np.array(value) for key, value in arrays.items()}


WRONG = {
    "no y": (a(x=[[1.0, 2.0]]), "z.npz has no array 'y'; it holds 'x'"),
    "query_x alone": (a(x=[[1.0]], y=[1.0], query_x=[[1.0]]), "has 'query_x' alone"),
    "objects": (a(x=np.array([[1.0], None], object), y=[1.0, 2.0]), "holds Python objects"),
    "texts": (a(x=[["a"]], y=[1.0]), "x is of dtype <U1, not of numbers"),
    "nothing": (a(x=np.zeros((0, 2)), y=[]), "x holds no examples; its shape is [0, 2]"),
    "NaN": (a(x=[[1.0, 2.0], [0.0, np.nan]], y=[1.0, 2.0]), "z.npz: x[1, 1] is nan"),
    "infinite y": (a(x=[[1.0, 2.0]], y=[1e39]), "z.npz: y[0] is 1e+39"),
    "fewer y": (a(x=[[1.0, 2.0]], y=[1.0, 2.0]), "x has 1 examples, y has 2"),
    "another shape": (
        a(x=[[1.0]], y=[1.0]),
        "examples of shape [1], x of the first task [2]",
    ),
    "more values": (a(x=[[1.0, 2.0]], y=[[1.0, 2.0]]), "y has 2 values for an example"),
    "whole numbers": (
        a(x=[[1.0, 2.0]], y=[1]),
        "that of machine-0.npz is not",
    ),
    "no values": (a(x=[[1.0, 2.0]], y=[[[1.0]]]), "y is of shape [1, 1, 1], not [n] or [n, d]"),
    "queries": (
        a(x=[[1.0, 2.0]], y=[1.0], query_x=[[1.0, 2.0]], query_y=[1.0]),
        "machine-0.npz has no queries of its own (query_x and query_y), but z.npz has",
    ),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_file_is_named_in_one_line(tmp_path, what):
    arrays, said = WRONG[what]
    with pytest.raises(DataError, match=re.escape(said)) as raised:
        family_of(save(tmp_path / "tasks", {**lines(), "z": arrays}))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([1, 2] * 6, "y has the classes 1, 2, not 0 to 1: number the classes of each task from 0"),
        ([0] * 12, "y has one class only (0)"),
        ([0, 1, 2] * 4, "y has 3 classes, that of patient-0.npz has 2"),
    ],
)
def test_wrong_classes_are_named(tmp_path, labels, said):
    tasks = blobs()
    tasks["patient-4"]["y"] = np.array(labels)
    with pytest.raises(DataError, match=re.escape(f"patient-4.npz: {said}")):
        family_of(save(tmp_path / "tasks", tasks))


@pytest.mark.parametrize("labels", [[0.0, 1.0], [0, -1], [0, 2]])
def test_queries_have_the_support_sets_classes(tmp_path, labels):
    tasks = with_queries(blobs())
    tasks["patient-4"]["query_y"] = np.resize(labels, len(tasks["patient-4"]["query_x"]))
    said = re.escape("patient-4.npz: query_y has other classes than y, which has 0 to 1")
    with pytest.raises(DataError, match=said):
        family_of(save(tmp_path / "tasks", tasks))


def test_whole_numbers_fit_in_32_bits(tmp_path):
    tasks = {name: {**each, "x": each["x"].astype(int) + 2**40} for name, each in lines().items()}
    with pytest.raises(DataError, match=r"npz: x has whole numbers beyond 2\^31 - 1; give floats"):
        family_of(save(tmp_path / "tasks", tasks))


def test_queries_have_as_many_values_as_the_support_set(tmp_path):
    tasks = with_queries(lines())
    for arrays in tasks.values():
        arrays["query_y"] = np.stack([arrays["query_y"]] * 2, axis=1)
    with pytest.raises(DataError, match="y and query_y have different shapes for an example"):
        family_of(save(tmp_path / "tasks", tasks))


def test_a_loss_that_needs_other_targets_is_refused(folder):
    with pytest.raises(DataError, match="y is of float64; classes are whole numbers"):
        family_of(folder, loss="cross_entropy")


def test_sources_that_are_none(tmp_path, folder):
    (tmp_path / "empty").mkdir()
    (tmp_path / "a.csv").write_text("x,y\n")
    (folder / "broken.npz").write_bytes(b"PK\3\4 and nothing else")
    for path, error, said in (
        (tmp_path / "no", SourceError, "there is no folder"),
        (tmp_path / "no.zip", SourceError, "there is no file"),
        (tmp_path / "empty", DataError, "holds no .npz files; each task is one"),
        (tmp_path / "a.csv", DataError, "is neither a folder nor a .zip of .npz files"),
        (folder / "machine-1.npz", DataError, "is one .npz file, which is one task"),
        (folder, DataError, "broken.npz cannot be read as .npz"),
    ):
        with pytest.raises(error, match=re.escape(said)):
            family_of(path)


def test_queries_that_the_support_has_too_are_counted(tmp_path):
    tasks = with_queries(lines())
    for key in ("x", "y"):
        tasks["machine-0"][f"query_{key}"][:2] = tasks["machine-0"][key][1]
        tasks["machine-1"][f"query_{key}"][0] = tasks["machine-2"][key][0]  # of another task
    notes = family_of(save(tmp_path / "tasks", tasks), shots=2, queries=2).notes()
    assert [note for note in notes if "query_x" in note] == [
        "2 examples of query_x are in x of the same task too: a task may have them in support and "
        "query; leave them out of one"
    ]
    assert (
        family_of(save(tmp_path / "none", with_queries(lines())), shots=2, queries=2).notes() == []
    )
