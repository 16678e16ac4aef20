"""What is wrong with an array, a column or a file of signals is said in one line."""

import io

import numpy as np
import pytest
from small_signals import class_folders, npz, sines, walks
from small_tables import write_table
from test_wrong_signals import refused

from workers.tasks.signals.array_files import load_array, text_of
from workers.tasks.signals.recordings import Recordings
from workers.wire.errors import DataError

X, Y = sines(classes=6, recordings=4, length=20)
ROWS = list(X)
BY_VALUE = {"target": "value", "ways": None}


def saved(array):
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def zipped(**arrays):
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (saved(X)[:-8], r"^a: no \.npy file that can be read \("),
        (zipped(x=X), r"^a: is a zip of arrays; name it \.npz$"),
    ],
    ids=["cut off", "a zip"],
)
def test_bytes_that_are_no_array(content, message):
    with pytest.raises(DataError, match=message):
        load_array(content, "a")


@pytest.mark.parametrize(
    ("arrays", "settings", "message"),
    [
        ({"a": X, "b": X[:, :5], "y": Y}, {"signal_column": ["a", "b"]}, r"have the shapes \[24"),
        ({"x": X[0], "y": Y}, {}, r"^a\.npz: signals are an array of shape \[20\]; \[n, length\]"),
        ({"x": X, "y": Y[:5]}, {}, r"^a\.npz: 24 signals, but 5 labels$"),
        ({"x": X[:, :0], "y": Y}, {}, r"row 0: is an array of shape \[0\]; a signal is \[length\]"),
        ({"x": X.astype("U9"), "y": Y}, {}, r"row 0: holds .*, not numbers; save it as an array"),
        ({"x": X[:0], "y": Y[:0]}, {}, r"a\.npz holds no signal$"),
    ],
    ids=["shapes", "one signal", "too few labels", "no samples", "texts", "no signals"],
)
def test_arrays_that_are_no_signals(tmp_path, arrays, settings, message):
    refused(message, npz(tmp_path / "a.npz", **arrays), **settings)


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        ({"signal": [None, *ROWS[1:]]}, {}, r"row 0 has no 'signal' \(empty\)"),
        ({"signal": [[["a"]]] * 24}, {}, r"row 0: holds objects, not numbers; save it as an array"),
        (
            {"signal": [[[1.0, 2.0], [3.0]]] * 24},
            {},
            r"row 0 has a 'signal' of .*; a list of numbers, or of samples of equally many",
        ),
        ({"signal": ["a"] * 24}, {}, r"column 'signal' .* holds neither numbers nor lists"),
        ({"words": ["a"] * 24}, {}, r"has no column 'signal'"),
    ],
    ids=["an empty cell", "lists of texts", "channels that come and go", "texts", "no signals"],
)
def test_columns_that_are_no_signals(tmp_path, columns, settings, message):
    table = write_table(tmp_path / "a.parquet", {**columns, "label": Y})
    refused(message, table, **settings)


def test_a_text_table_without_numbers(tmp_path):
    table = write_table(tmp_path / "a.csv", {"label": Y})
    refused(r"a\.csv: no column beside the label's holds numbers; a row is a signal", table)


def test_files_of_classes_hold_no_values(tmp_path):
    folder = class_folders(tmp_path / "data", X, Y)
    refused(r"files hold no values to predict \(task\.target = 'value'\)", folder, **BY_VALUE)


def test_one_audio_file_has_no_classes(tmp_path):
    (tmp_path / "a.wav").write_bytes(b"")
    refused(
        r"a\.wav is one signal; give a folder with a folder of them a class$", tmp_path / "a.wav"
    )


def test_targets_that_are_neither_one_number_nor_one_for_each_sample(tmp_path):
    x, who = walks(series=40), np.repeat(np.arange(10), 4)
    table = {"signal": list(x), "who": who, "label": [[1.0], *map(list, x[1:])]}
    refused(
        r"has the target .*; a finite number, or one for each of its",
        write_table(tmp_path / "a.parquet", table),
        recording_column="who",
        **BY_VALUE,
    )


def test_no_signals_at_all():
    with pytest.raises(DataError, match=r"^a holds no signal$"):
        Recordings.of("a", [])


@pytest.mark.parametrize(
    ("label", "text"), [(b"horn", "horn"), (1.0, "1"), (np.float32(2), "2"), (0.5, "0.5")]
)
def test_labels_are_texts_for_people(label, text):
    assert text_of(label) == text
