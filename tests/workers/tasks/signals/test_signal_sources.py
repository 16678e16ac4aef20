"""Every form of file gives the same signals."""

import zipfile

import numpy as np
import pyarrow as pa
import pytest
from small_signals import class_folders, npz, sines
from small_tables import write_table

from workers.settings.signal_task import SignalTask
from workers.tasks.signals.columns import Wanted
from workers.tasks.signals.recordings import Recordings
from workers.tasks.signals.sources import find_source, read_signals

X, Y = sines(classes=3, recordings=2, length=12)


def read(path, **settings):
    task = SignalTask(path=str(path), **settings)
    return Recordings.of("source", read_signals(find_source(task.path), Wanted.by(task)))


def as_dict(found):
    """Class -> its signals."""
    parts = np.split(found.values, found.starts[1:-1])
    return {
        label: [part for part, own in zip(parts, found.labels, strict=True) if own == label]
        for label in sorted(set(found.labels))
    }


def check(found, x=X):
    assert sorted(set(found.labels)) == ["c0", "c1", "c2"]
    wanted = x if x.ndim == 3 else x[..., None]
    for label, parts in as_dict(found).items():
        np.testing.assert_array_equal(parts, wanted[label == Y])
    assert len(set(found.recordings)) == len(found)


def test_class_folders(tmp_path):
    check(read(class_folders(tmp_path / "data", X, Y)))


def test_class_folders_below_a_single_one_and_what_systems_leave_behind(tmp_path):
    class_folders(tmp_path / "data/top", X, Y)
    (tmp_path / "data/.hidden").mkdir()
    (tmp_path / "data/top/c0/readme.txt").write_text("no signal")
    check(read(tmp_path / "data"))


def test_a_zip_of_class_folders(tmp_path):
    folder = class_folders(tmp_path / "data", X, Y)
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as archive:
        for file in folder.rglob("*.npy"):
            archive.write(file, file.relative_to(tmp_path))
    check(read(tmp_path / "data.zip"))


def test_an_npz_and_a_npy_with_labels_beside_it(tmp_path):
    check(read(npz(tmp_path / "a.npz", x=X, y=Y)))
    check(read(npz(tmp_path / "b.npz", s=X, t=Y), signal_column="s", label_column="t"))
    np.save(tmp_path / "a.npy", X)
    np.save(tmp_path / "labels.npy", Y)
    check(read(tmp_path / "a.npy", label_file=str(tmp_path / "labels.npy")))


def test_channels_are_the_last_axis_or_several_arrays(tmp_path):
    both = np.stack([X, -X], axis=-1)
    check(read(npz(tmp_path / "a.npz", x=both, y=Y)), both)
    several = npz(tmp_path / "b.npz", left=X, right=-X, y=Y)
    check(read(several, signal_column=["left", "right"]), both)


def test_a_parquet_file_with_a_column_of_lists(tmp_path):
    columns = {"signal": list(X), "label": Y}
    check(read(write_table(tmp_path / "a.parquet", columns)))
    check(read(write_table(tmp_path / "a.feather", columns)))
    both = np.stack([X, -X], axis=-1)
    nested = {"signal": both.tolist(), "label": Y}
    check(read(write_table(tmp_path / "b.parquet", nested)), both.astype(np.float32))
    sizes = pa.table({"signal": pa.FixedSizeListArray.from_arrays(X.ravel(), 12), "label": Y})
    check(read(write_table(tmp_path / "c.parquet", sizes)))


def test_a_csv_file_with_a_column_a_sample(tmp_path):
    columns = {"label": Y, **{f"t{i}": X[:, i].astype(np.float64) for i in range(12)}}
    found = read(write_table(tmp_path / "a.csv", columns))
    assert {k: np.shape(v) for k, v in as_dict(found).items()} == dict.fromkeys(
        ("c0", "c1", "c2"), (2, 12, 1)
    )
    np.testing.assert_allclose(found.values.reshape(6, 12), X, rtol=1e-6)


def test_a_table_with_a_row_a_sample(tmp_path):
    """A recording whose class changes is several signals of one recording."""
    columns = {
        "who": [name for name in "abab" for _ in range(3)],
        "label": [*["walk"] * 3, *["run"] * 3, *["run"] * 3, *["walk"] * 3],
        "x": np.arange(12.0),
        "y": -np.arange(12.0),
    }
    found = read(
        write_table(tmp_path / "a.csv", columns), signal_column=["x", "y"], recording_column="who"
    )
    assert found.recordings == ["a", "a", "b", "b"]
    assert found.labels == ["walk", "run", "run", "walk"]
    np.testing.assert_array_equal(found.values[:, 0], [0, 1, 2, 6, 7, 8, 3, 4, 5, 9, 10, 11])
    np.testing.assert_array_equal(found.values[:, 1], -found.values[:, 0])
    assert found.lengths.tolist() == [3, 3, 3, 3]


def test_audio_files_and_their_rate(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    for number, (signal, name) in enumerate(zip(X, Y, strict=True)):
        (tmp_path / name).mkdir(exist_ok=True)
        ending = "wav" if number % 2 else "flac"
        soundfile.write(tmp_path / name / f"{number}.{ending}", signal / 2, 8000)
    found = read(tmp_path)
    assert found.rate == 8000
    for label, parts in as_dict(found).items():
        wanted = np.round(X[label == Y] / 2 * 2**15) / 2**15
        np.testing.assert_allclose(np.array(parts)[..., 0], wanted, atol=2**-15)


def test_a_class_of_several_columns_and_labels_that_are_numbers(tmp_path):
    file = npz(tmp_path / "a.npz", x=X, load=np.arange(6) // 3, fault=np.arange(6.0) % 3)
    found = read(file, label_column=["load", "fault"])
    assert found.labels == ["0/0", "0/1", "0/2", "1/0", "1/1", "1/2"]


def test_a_path_may_be_below_the_data_folder(tmp_path, monkeypatch):
    class_folders(tmp_path / "data" / "mine", X, Y)
    monkeypatch.setenv("METATRAIN_DATA", str(tmp_path / "data"))
    check(read("mine"))


def test_numbers_of_64_bits_keep_their_digits(tmp_path):
    found = read(npz(tmp_path / "a.npz", x=X + 1e9, y=Y))
    assert found.values.dtype == np.float32
    found = read(npz(tmp_path / "b.npz", x=X.astype(np.float64) + 1e9, y=Y))
    assert found.values.dtype == np.float64


def test_an_index_that_pandas_writes_is_no_sample(tmp_path):
    samples = {f"t{i}": X[:, i].astype(np.float64) for i in range(12)}
    columns = {"": np.arange(6), "Unnamed: 0": np.arange(6), "label": Y, **samples}
    task = SignalTask(path=str(write_table(tmp_path / "a.csv", columns)))
    notes = []
    found = Recordings.of("a", read_signals(find_source(task.path), Wanted.by(task), notes))
    np.testing.assert_allclose(found.values.reshape(6, 12), X, rtol=1e-6)
    assert notes == [
        f"the column {name!r} is left out: an index, no sample" for name in ("", "Unnamed: 0")
    ]


def test_a_link_to_a_folder_above_makes_no_classes(tmp_path):
    folder = class_folders(tmp_path / "data", X, Y)
    (folder / "c0/above").symlink_to(folder)
    check(read(folder))


def test_files_of_other_endings_are_counted(tmp_path):
    folder = class_folders(tmp_path / "data", X, Y)
    for name in ("a.csv", "b.csv", "notes"):
        (folder / "c1" / name).touch()
    (folder / "c1/.hidden").touch()
    notes = []
    wanted = Wanted.by(SignalTask(path=str(folder)))
    assert len(list(read_signals(folder, wanted, notes))) == 6
    assert notes == [
        "3 files are skipped, not named like signals (.npy, .wav, .flac): 2 .csv, 1 without a "
        "suffix"
    ]
