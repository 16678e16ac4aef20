"""What is wrong with a source of signals is said in one line."""

import numpy as np
import pytest
from small_signals import class_folders, npz, sines, walks
from small_tables import write_table

from workers.settings.signal_task import SignalTask
from workers.tasks.registry import make_family
from workers.tasks.signals.recordings import Recordings, Signal
from workers.wire.errors import DataError

X, Y = sines(classes=6, recordings=4, length=20)


def refused(message, path, **settings):
    with pytest.raises(DataError, match=message) as caught:
        make_family(SignalTask(path=str(path), **{"shots": 2, "queries": 2, "ways": 2, **settings}))
    assert "\n" not in str(caught.value)


def test_a_window_that_is_longer_than_a_signal(tmp_path):
    x = [X[0][:10], *X[1:]]
    folder = class_folders(tmp_path / "data", x, Y)
    refused(
        r"^task\.window = 12, but c0/00\.npy has 10 samples; lower task\.window to 10, or leave "
        r"such signals out: task\.short_signals=leave_out$",
        folder,
        window=12,
    )
    small = {"path": str(folder), "ways": 2, "shots": 1, "queries": 1}
    family = make_family(SignalTask(window=12, short_signals="leave_out", **small))
    assert family.notes() == [
        "1 signal is shorter than a window and left out: c0/00.npy (task.short_signals)"
    ]
    refused(
        r"^task\.window = 30, but c0/00\.npy has 10 samples \(24 of 24 are too short\); lower "
        r"task\.window to 10$",
        folder,
        window=30,
    )


def test_a_window_and_a_horizon_that_are_longer_than_a_series(tmp_path):
    file = npz(tmp_path / "a.npz", x=walks(length=20))
    refused(
        r"^task\.window = 16 and task\.horizon = 8 need 24 samples, but a\.npz: row 0 has 20 "
        r"samples \(10 of 10 are too short\); lower task\.window to 12$",
        file,
        target="forecast",
        window=16,
        horizon=8,
        ways=None,
    )


def test_signals_of_several_lengths_without_a_window(tmp_path):
    folder = class_folders(tmp_path / "data", [X[0][:10], *X[1:]], Y)
    refused(
        r"different lengths, c0/00\.npy 10 samples and c0/01\.npy 20; set task\.window",
        folder,
    )


def test_audio_of_another_rate(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    for number, name in enumerate(Y):
        (tmp_path / name).mkdir(exist_ok=True)
        rate = 16000 if number == 5 else 8000
        soundfile.write(tmp_path / name / f"{number:02d}.wav", X[number] / 2, rate)
    refused(
        r"^c1/05\.wav: has a sampling rate of 16000 Hz, c0/00\.wav has 8000 Hz; resample it",
        tmp_path,
    )
    refused(
        r"^c0/00\.wav: has a sampling rate of 8000 Hz, task\.rate is 16000", tmp_path, rate=16000
    )


@pytest.mark.parametrize(("rate", "whose"), [(None, "a has 8000"), (16000, "task.rate is 16000")])
def test_another_rate_however_files_are_read(rate, whose):
    signals = [Signal(name, X[0], "c0", name, None, hz) for name, hz in (("a", 8000), ("b", 4000))]
    name = "a" if rate else "b"
    with pytest.raises(DataError, match=rf"^{name}: has a sampling rate of \d000 Hz, {whose} Hz"):
        Recordings.of("data", signals, rate)
    assert Recordings.of("data", signals[:1], None).rate == 8000


def test_audio_without_the_library(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "soundfile", None)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/0.wav").write_bytes(b"RIFF")
    refused(
        r"a/0\.wav: audio files need the library soundfile: pip install 'metatrain\[audio\]'",
        tmp_path,
    )


def test_a_damaged_audio_file(tmp_path):
    pytest.importorskip("soundfile")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/0.wav").write_bytes(b"RIFF and no more")
    refused(r"^a/0\.wav: no audio that can be read", tmp_path)


def test_arrays_of_objects(tmp_path):
    ragged = np.array([X[0][:5], X[1]], object)
    refused(
        r"^a\.npz: x: holds Python objects, which are not read; save",
        npz(tmp_path / "a.npz", x=ragged, y=Y[:2]),
    )
    texts = npz(tmp_path / "b.npz", x=np.array([["a", "b"]] * 24), y=Y)
    refused(r"^b\.npz: row 0: holds values of type <U1, not numbers", texts)


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e38])
def test_a_sample_that_is_not_finite(tmp_path, value):
    x = X.copy()
    x[3, 7] = value
    message = r"^c0/03\.npy: sample 7 is (nan|inf|9\.99\d*e\+37); finite numbers"
    refused(message, class_folders(tmp_path / "data", x, Y))
    x[3, 8] = value
    refused(
        r"^a\.npz: row 3: sample 7 is .* \(2 such values\); finite",
        npz(tmp_path / "a.npz", x=x, y=Y),
    )


def test_a_column_or_array_that_is_missing(tmp_path):
    file = npz(tmp_path / "a.npz", z=X, y=Y)
    refused(r"has no array 'x' \(task\.signal_column\); it has 'z', 'y'$", file)
    refused(
        r"has no array 'w' \(task\.label_column\)",
        npz(tmp_path / "b.npz", x=X, y=Y),
        label_column="w",
    )
    table = write_table(tmp_path / "a.parquet", {"values": list(X), "label": Y})
    refused(r"has no column 'signal' \(task\.signal_column\); it has 'values', 'label'$", table)
    refused(
        r"has no column 'who' \(task\.recording_column\)",
        table,
        signal_column="values",
        recording_column="who",
    )


def test_labels_that_are_missing(tmp_path):
    refused(r"has no array 'y' \(task\.label_column\); it has 'x'$", npz(tmp_path / "a.npz", x=X))
    np.save(tmp_path / "a.npy", X)
    refused(
        r"a \.npy file has no labels; name a file of them \(task\.label_file\)", tmp_path / "a.npy"
    )
    np.save(tmp_path / "few.npy", Y[:5])
    refused(
        r"^a\.npy: 24 signals, but 5 labels$",
        tmp_path / "a.npy",
        label_file=str(tmp_path / "few.npy"),
    )
    labels = np.where(np.arange(24) == 4, np.nan, np.arange(24) % 6)
    refused(r"^b\.npz: row 4 has no label \(nan\)", npz(tmp_path / "b.npz", x=X, y=labels))
    empty = {"signal": list(X), "label": [None if i == 2 else y for i, y in enumerate(Y)]}
    refused(r"row 2 has no 'label'", write_table(tmp_path / "a.parquet", empty))


def test_one_class_only(tmp_path):
    folder = class_folders(tmp_path / "data", X[:4], Y[:4])
    refused(r"^data: every signal is of the class 'c0'; there is nothing to tell apart$", folder)


def test_files_that_cannot_be_read(tmp_path):
    for name in ("a.npy", "a.npz", "a.zip", "a.parquet"):
        (tmp_path / name).write_bytes(b"nothing of the kind")
    (tmp_path / "l.npy").write_bytes(b"")
    refused(
        r"^a\.npy: is no \.npy file, as numpy\.save writes them$",
        tmp_path / "a.npy",
        label_file=str(tmp_path / "l.npy"),
    )
    refused(r"a\.npz: not an \.npz file that can be read", tmp_path / "a.npz")
    refused(r"a\.zip: not a zip that can be read", tmp_path / "a.zip")
    refused(r"a\.parquet: not a table that can be read", tmp_path / "a.parquet")
    (tmp_path / "a.mat").write_bytes(b"")
    refused(r"a\.mat is of an unsupported type \(\.mat\); give a folder or zip", tmp_path / "a.mat")
    refused(r"^task\.path = 'nowhere': there is nothing at .*nowhere; name", "nowhere")


def test_folders_without_signals_or_classes(tmp_path):
    (tmp_path / "data").mkdir()
    refused(r"data holds nothing; expected CLASS/SIGNAL\.npy or \.wav", tmp_path / "data")
    (tmp_path / "data/a.mat").write_text("")
    refused(r"data holds only files that are not read \(\.mat\)", tmp_path / "data")
    np.save(tmp_path / "data/a.npy", X[0])
    refused(r"data: a\.npy is in no folder; a class is a folder of signals$", tmp_path / "data")


def test_too_few_recordings_for_shots_and_queries(tmp_path):
    """Four recordings of three windows: five and five examples are there, but not apart."""
    keep = np.flatnonzero((Y != "c1") | (np.arange(24) < 6))
    folder = class_folders(tmp_path / "data", X[keep], Y[keep])
    refused(
        r"^shots = 2 and queries = 2 need 4 different examples of a class, and no recording on "
        r"both sides; the class 'c1' has 2 of 2 recordings; lower task\.shots or task\.queries$",
        folder,
    )


def test_small_classes_are_left_out_if_so(tmp_path):
    keep = np.flatnonzero((Y != "c1") | (np.arange(24) < 6))
    x, y = sines(classes=7, recordings=4, length=20)
    folder = class_folders(tmp_path / "data", [*X[keep], *x[24:]], [*Y[keep], *y[24:]])
    refused(r", or leave such classes out: task\.small_classes=leave_out$", folder)
    settings = {"ways": 2, "shots": 2, "queries": 2, "small_classes": "leave_out"}
    family = make_family(SignalTask(path=str(folder), **settings))
    assert family.describe()["classes_left_out"] == 1
    used = [family.describe()[f"{split}_classes"] for split in ("train", "validation", "test")]
    assert used == [2, 2, 2]


def test_one_long_recording_of_a_class(tmp_path):
    long = [X[i : i + 4].ravel() for i in range(0, 24, 4)]
    folder = class_folders(tmp_path / "data", long, Y[::4])
    refused(
        r"the class 'c0' has 8 of 1 recording \(6 are too small: .*, or take support and queries "
        r"of a recording's two parts: task\.apart=time$",
        folder,
        window=10,
    )
    family = make_family(
        SignalTask(path=str(folder), window=10, apart="time", ways=2, shots=2, queries=2)
    )
    assert family.num_outputs == 2
    refused(
        r"the class 'c0' has 4 in its earlier and 4 in its later part",
        folder,
        window=10,
        apart="time",
        queries=5,
    )


def test_channels_that_differ(tmp_path):
    x = [np.stack([X[0], X[0]], axis=-1), *X[1:]]
    refused(
        r"^c0/00\.npy: has 2 channels, others have 1 \(such as c0/01\.npy\)",
        class_folders(tmp_path / "data", x, Y),
    )
    table = {"a": list(X), "b": [x[:5] for x in X], "label": Y}
    refused(
        r"^a\.parquet: row 0: 'a', 'b' have 20, 5 samples",
        write_table(tmp_path / "a.parquet", table),
        signal_column=["a", "b"],
    )


def test_a_channel_that_does_not_vary_and_one_that_is_not_there(tmp_path):
    both = np.stack([X, np.zeros_like(X)], axis=-1)
    file = npz(tmp_path / "a.npz", x=both, y=Y)
    refused(r"^a\.npz: channel 1 is 0 in all signals of training", file, scaling="training")
    series = npz(tmp_path / "b.npz", x=walks())
    refused(
        r"^task\.target_channel = 1, but the last channel of b\.npz is 0; lower it$",
        series,
        target="forecast",
        window=8,
        target_channel=1,
        ways=None,
    )


def test_values_that_are_no_numbers_or_always_the_same(tmp_path):
    x, who = walks(series=40), np.repeat(np.arange(10), 4)
    by = {"target": "value", "recording_column": "who", "ways": None}
    refused(
        r"row 3: has the target nan; a finite number",
        npz(tmp_path / "a.npz", x=x, who=who, y=np.where(np.arange(40) == 3, np.nan, 1.0)),
        **by,
    )
    refused(
        r"the value to predict is 1 in all series of training",
        npz(tmp_path / "b.npz", x=x, who=who, y=np.ones(40)),
        **by,
    )
    refused(
        r"row 0: has the target a; a finite number",
        npz(tmp_path / "c.npz", x=x, who=who, y=np.array(["a"] * 40)),
        **by,
    )


def test_a_series_with_too_few_windows(tmp_path):
    file = npz(tmp_path / "a.npz", x=walks(length=40))
    refused(
        r"^the series 'row 0' has 2 different windows in its earlier part and 2 in its later one "
        r"\(6 are too small: .*shots = 3 and queries = 2 need as many; lower task\.shots",
        file,
        target="forecast",
        window=9,
        shots=3,
        ways=None,
    )
