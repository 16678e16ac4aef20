"""Classification of signals: what a task is, and what it never is."""

import json

import numpy as np
import pytest
from small_signals import class_folders, npz, sines

from workers.settings.signal_task import SignalTask
from workers.tasks.registry import make_family
from workers.wire.errors import DataError
from workers.wire.protocol import Draw

X, Y = sines(classes=9, recordings=5, length=48)
SPLITS = ("train", "validation", "test")
SETTINGS = {"ways": 3, "shots": 2, "queries": 2}


def family(path, **settings):
    return make_family(SignalTask(path=str(path), **{**SETTINGS, **settings}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return class_folders(tmp_path_factory.mktemp("signals") / "data", X, Y)


def drawn(found, number=40, split="train", **sizes):
    sizes = {"shots": 2, "queries": 2, **sizes}
    return found.sample(Draw(0, split, 0), 0, number, **sizes)


def test_a_task_is_signals_of_some_classes_of_the_split(folder):
    found = family(folder)
    specs = drawn(found)
    episode = found.build(specs)
    assert episode.support_inputs.shape == episode.query_inputs.shape == (40, 6, 48, 1)
    assert episode.support_inputs.dtype == np.float32
    np.testing.assert_array_equal(episode.support_targets, [[0, 0, 1, 1, 2, 2]] * 40)
    classes = {split: set(drawn(found, split=split)["classes"].ravel()) for split in SPLITS}
    assert sum(map(len, classes.values())) == 9
    # The dominant frequency of a signal is its class.
    power = np.abs(np.fft.rfft(episode.query_inputs[..., 0], axis=-1))
    periods = power.argmax(-1).reshape(40, 3, 2)
    np.testing.assert_array_equal(periods, (specs["classes"] + 1)[..., None].repeat(2, -1))
    assert found.names(specs)[0] == ", ".join(f"c{i}" for i in specs["classes"][0])


def test_tasks_are_the_same_in_whatever_ranges_they_are_drawn(folder):
    found = family(folder, window=16, hop=8)
    whole = drawn(found, 12)
    draw = Draw(0, "train", 0)
    for lo, hi in ((0, 5), (5, 6), (6, 12)):
        part = found.sample(draw, lo, hi, 2, 2)
        for name, values in part.items():
            np.testing.assert_array_equal(values, whole[name][lo:hi])
    one = found.build({name: values[3:4] for name, values in whole.items()})
    for alone, together in zip(one, found.build(whole), strict=True):
        np.testing.assert_array_equal(alone[0], together[3])


def test_windows_of_a_recording_are_never_in_support_and_queries(folder):
    found = family(folder, window=16, hop=4)
    said = found.display_text(drawn(found, 30))
    for words in said:
        recordings = [
            {text.partition(",")[0] for text in texts} for texts in (words.support, words.queries)
        ]
        assert not recordings[0] & recordings[1]
    assert said[0].support[0].endswith(tuple(f"to {15 + 4 * i}" for i in range(9)))


def test_in_time_no_sample_is_in_support_and_queries(tmp_path):
    long = [X[i : i + 5].ravel() for i in range(0, 45, 5)]
    found = family(class_folders(tmp_path / "data", long, Y[::5]), window=16, hop=3, apart="time")
    for words in found.display_text(drawn(found, 30)):
        for text in words.support:
            assert int(text.rpartition(" ")[2]) < 120
        for text in words.queries:
            assert int(text.split()[2]) >= 120
    assert found.protocol("test")["support_and_queries_share"] == "no part of a recording"


def test_each_example_is_standardized_by_itself(folder):
    episode = family(folder, window=16).build(drawn(family(folder, window=16)))
    np.testing.assert_allclose(episode.support_inputs.mean(2), 0, atol=1e-6)
    np.testing.assert_allclose(episode.support_inputs.std(2), 1, atol=1e-5)


def test_a_constant_signal_is_only_shifted(tmp_path):
    x = X.copy()
    x[0] = 0.1
    found = family(npz(tmp_path / "a.npz", x=x, y=Y))
    _, deviation = found._data.windows.moments(found._data.recordings.values)
    assert deviation[0] == 1
    assert np.isfinite(found.build(drawn(found)).support_inputs).all()


def test_samples_are_standardized_by_training_or_not_at_all(tmp_path):
    file = npz(tmp_path / "a.npz", x=10 * X + 100, y=Y)
    plain = family(file, scaling="none")
    specs = drawn(plain)
    raw = plain.build(specs).support_inputs
    scaled = family(file, scaling="training")
    values = scaled.preparation["signals"]["samples"]
    trained = [i for i in range(45) if int(Y[i][1]) in set(drawn(plain)["classes"].ravel())]
    np.testing.assert_allclose(values[0], [(10 * X + 100)[trained].mean()], rtol=1e-5)
    wanted = (raw - values[0][0]) / values[1][0]
    np.testing.assert_allclose(scaled.build(specs).support_inputs, wanted, atol=1e-5)


def test_classes_of_a_task_are_of_one_domain(tmp_path):
    names = [f"{'ab'[i % 2]}/c{i // 2 % 4}" for i in range(48)]
    x, _ = sines(classes=8, recordings=6)
    split = {
        "train": ["a/c0", "a/c1", "b/c0", "b/c1"],
        "validation": ["a/c3", "a/c2"],
        "test": ["b/c3", "b/c2"],
    }
    file = tmp_path / "split.json"
    file.write_text(json.dumps(split))
    settings = {"ways": 2, "split_file": str(file), "same_domain": True}
    found = family(npz(tmp_path / "a.npz", x=x, y=names), **settings)
    told = {frozenset(name.split(", ")) for name in found.names(drawn(found))}
    assert told == {frozenset({"a/c0", "a/c1"}), frozenset({"b/c0", "b/c1"})}
    mixed = family(npz(tmp_path / "b.npz", x=x, y=names), **{**settings, "same_domain": False})
    assert len({frozenset(name.split(", ")) for name in mixed.names(drawn(mixed))}) == 6


def test_copies_count_once_and_are_never_asked_about(tmp_path):
    x, y = X.copy(), Y
    x[1] = x[0]  # in one class
    x[5:7] = x[10:12]  # in two classes
    split = {
        "train": [f"c{i}" for i in range(3)],
        "validation": ["c3", "c4", "c5"],
        "test": ["c6", "c7", "c8"],
    }
    (tmp_path / "split.json").write_text(json.dumps(split))
    found = family(
        npz(tmp_path / "a.npz", x=x, y=y), split_file=str(tmp_path / "split.json"), ways=3
    )
    notes = found.notes()
    assert notes[0].startswith("1 example is a copy of another of the same class")
    assert notes[1].startswith("2 examples are in several classes")
    ids = found._data.ids
    for split in SPLITS:
        specs = drawn(found, 60, split)
        for support, query in zip(specs["support_examples"], specs["query_examples"], strict=True):
            assert not set(ids[support].ravel()) & set(ids[query].ravel())
    with pytest.raises(DataError, match=r"the class 'c0' has 4 of 4 recordings"):
        family(npz(tmp_path / "b.npz", x=x, y=y), shots=3, queries=2)


def test_what_decides_tasks_is_in_the_digest(tmp_path):
    files = [npz(tmp_path / f"{i}.npz", x=X + 1e-3 * i, y=Y) for i in range(2)]
    settings = [
        {},
        {"window": 16},
        {"window": 16, "hop": 8},
        {"split_seed": 1},
        {"scaling": "none"},
    ]
    digests = [family(files[0], **each).digest for each in settings]
    digests.append(family(files[1]).digest)
    assert len(set(digests)) == len(digests)
    assert family(files[0]).digest == digests[0]


def test_joint_training_has_an_output_for_each_training_class(folder):
    found = family(folder)
    assert found.num_train_classes == found.describe()["train_classes"]
    labels = found.build(drawn(found, 200), global_labels=True).query_targets
    assert set(labels.ravel()) == set(range(found.num_train_classes))


def test_more_queries_in_evaluation_than_there_are_is_refused_by_its_key(folder):
    found = family(folder, small_classes="leave_out")
    with pytest.raises(DataError, match=r"task\.queries, or evaluation\.shots or evaluation"):
        drawn(found, queries=9)


def test_small_classes_are_left_out_by_name(tmp_path):
    x, y = sines(classes=9, recordings=6, length=20)
    few = np.flatnonzero((y != "c1") | (np.arange(len(y)) % 6 < 3))
    settings = {"shots": 2, "queries": 2, "ways": 2, "small_classes": "leave_out"}
    small = class_folders(tmp_path / "small", x[few], y[few])
    assert family(small, **settings).notes() == [
        "1 class has too few examples for shots = 2 and queries = 2: left out, 'c1' (3) "
        "(task.small_classes)"
    ]
    assert family(class_folders(tmp_path / "all", x, y), **settings).notes() == []
