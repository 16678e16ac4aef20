"""Signals of one's own become what the run's were."""

from types import SimpleNamespace

import numpy as np
import pytest
from small_signals import class_folders, npz, sines, walks

from orchestrator.adaptation.readers.reader import Columns
from orchestrator.adaptation.readers.registry import make_reader
from orchestrator.adaptation.user_tasks import UserTask, make_tasks
from workers.settings.signal_task import SignalTask
from workers.tasks.registry import make_family
from workers.tasks.user_tasks import user_task_shapes
from workers.wire.errors import DataError
from workers.wire.protocol import Draw

X, Y = sines(classes=6, recordings=4, length=32)
NO_COLUMNS = Columns()


def reader_of(path, **settings):
    task = SignalTask(path=str(path), **{"shots": 2, "queries": 2, **settings})
    family = make_family(task)
    return SimpleNamespace(
        task=task,
        family=family,
        shapes=user_task_shapes(family),
        it=make_reader(task, user_task_shapes(family)),
    )


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("signals")
    return reader_of(class_folders(folder / "data", X, Y), ways=2, window=16, hop=8)


@pytest.fixture(scope="module")
def series(tmp_path_factory):
    file = npz(tmp_path_factory.mktemp("series") / "a.npz", x=walks())
    return reader_of(file, target="forecast", window=6, horizon=3)


@pytest.fixture(scope="module")
def series_by_support(tmp_path_factory):
    file = npz(tmp_path_factory.mktemp("series") / "a.npz", x=walks())
    return reader_of(file, target="forecast", window=6, horizon=3, scaling="example")


def test_windows_of_class_folders(classes, tmp_path):
    folder = class_folders(tmp_path / "mine", X[:8], Y[:8])
    found = classes.it.read(str(folder), "support", NO_COLUMNS)
    assert found.inputs.shape == (24, 16, 1)
    assert found.targets == ["c0"] * 12 + ["c1"] * 12
    assert found.names[:2] == ["c0/00.npy, samples 0 to 15", "c0/00.npy, samples 8 to 23"]
    assert found.tasks == [""] * 24
    np.testing.assert_allclose(found.inputs.mean(1), 0, atol=1e-6)


def test_what_is_asked_about_needs_no_classes(classes, tmp_path):
    np.save(tmp_path / "a.npy", X[0])
    (tmp_path / "flat").mkdir()
    for number in range(2):
        np.save(tmp_path / f"flat/{number}.npy", X[number])
    one = classes.it.read(str(tmp_path / "a.npy"), "query", NO_COLUMNS)
    two = classes.it.read(str(tmp_path / "flat"), "query", NO_COLUMNS)
    table = classes.it.read(str(npz(tmp_path / "a.npz", x=X[:2])), "query", NO_COLUMNS)
    assert (one.targets, two.targets, table.targets) == (None, None, None)
    np.testing.assert_array_equal(one.inputs, two.inputs[:3])
    np.testing.assert_array_equal(two.inputs, table.inputs)


def test_tasks_and_columns_by_name(classes, tmp_path):
    file = npz(tmp_path / "a.npz", s=X[:8], t=Y[:8], who=["a", "b"] * 4)
    found = classes.it.read(str(file), "support", Columns(("s",), "t", "who"))
    assert found.tasks[:6] == ["a"] * 3 + ["b"] * 3
    with pytest.raises(
        DataError, match=r"no array 'w' \(--target-column\); it has 's', 't', 'who'"
    ):
        classes.it.read(str(file), "support", Columns(("s",), "w"))


def test_what_the_model_does_not_take_is_told(classes, tmp_path):
    both = npz(tmp_path / "a.npz", x=np.stack([X, X], -1), y=Y)
    with pytest.raises(DataError, match=r"signals have 2 channels, the model takes 1$"):
        classes.it.read(str(both), "support", NO_COLUMNS)
    short = npz(tmp_path / "b.npz", x=X[:, :10], y=Y)
    with pytest.raises(DataError, match=r"^task\.window = 16, but b\.npz: row 0 has 10 samples"):
        classes.it.read(str(short), "support", NO_COLUMNS)
    with pytest.raises(DataError, match=r"--query nowhere does not exist; give a folder or zip"):
        classes.it.read("nowhere", "query", NO_COLUMNS)
    whole = reader_of(npz(tmp_path / "c.npz", x=X, y=Y), ways=2)
    with pytest.raises(
        DataError, match=r"b\.npz: row 0 has 10 samples, the model takes 32; cut it"
    ):
        whole.it.read(str(short), "support", NO_COLUMNS)


def test_audio_of_another_rate_than_the_runs(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    for number, name in enumerate(Y):
        (tmp_path / "data" / name).mkdir(exist_ok=True, parents=True)
        soundfile.write(tmp_path / "data" / name / f"{number}.wav", X[number] / 2, 8000)
    run = reader_of(tmp_path / "data", ways=2)
    soundfile.write(tmp_path / "mine.wav", X[0] / 2, 8000)
    assert run.it.read(str(tmp_path / "mine.wav"), "query", NO_COLUMNS).inputs.shape == (1, 32, 1)
    soundfile.write(tmp_path / "other.wav", X[0] / 2, 4000)
    with pytest.raises(DataError, match=r"sampling rate of 4000 Hz, task\.rate is 8000 Hz"):
        run.it.read(str(tmp_path / "other.wav"), "query", NO_COLUMNS)


def test_arrays_in_memory(classes):
    np.testing.assert_array_equal(
        classes.it.inputs(X[:3, :16]), classes.it.inputs(X[:3, :16, None].tolist())
    )
    with pytest.raises(ValueError, match=r"shape \[3, 32, 1\], the model takes \[n, 16, 1\]"):
        classes.it.inputs(X[:3])


def test_a_saved_model_takes_signals_in_their_own_units(classes):
    units = classes.it.scaling(None)
    assert units.each
    assert units.inputs.mean.shape == (16, 1)


def own_task(run):
    """A test task's raw windows, from an array in memory, and what it is in training."""
    specs = run.family.sample(Draw(0, "test", 0), 0, 1, 2, 2)
    windows, values = run.family._data.windows, run.family._data.recordings.values
    raw = [windows.take(values, specs[f"{name}_examples"][0]) for name in ("support", "query")]
    targets = [run.family._targets[specs[f"{name}_examples"][0]] for name in ("support", "query")]
    return raw, targets, run.family.build(specs)


@pytest.mark.parametrize("scaling", ["series", "series_by_support"])
def test_a_series_is_what_it_is_in_training(scaling, request, tmp_path):
    run = request.getfixturevalue(scaling)
    raw, targets, episode = own_task(run)
    support = run.it.inputs(raw[0])
    own = support, run.it.targets(targets[0]), run.it.inputs(raw[1]), targets[1]
    task = run.it.assemble(UserTask("", None, *own, np.arange(2)))
    for name in ("support_inputs", "support_targets", "query_inputs"):
        np.testing.assert_allclose(getattr(task, name), getattr(episode, name)[0], atol=1e-5)
    # An answer that is right in the model's units is right in the user's.
    answers = run.it.answers(task, episode.query_targets)
    np.testing.assert_allclose(answers[0], targets[1], atol=1e-3)
    units = run.it.scaling(task)
    np.testing.assert_allclose(units.inputs.apply(raw[1]), episode.query_inputs[0], atol=1e-5)
    np.testing.assert_allclose(units.outputs.apply(targets[1]), episode.query_targets[0], atol=1e-5)


def test_a_file_of_the_last_window_is_forecast_from(series, tmp_path):
    x = walks(series=1)
    past = series.it.read(str(npz(tmp_path / "a.npz", x=x[:, :54])), "support", NO_COLUMNS)
    now = series.it.read(str(npz(tmp_path / "b.npz", x=x[:, 54:])), "query", NO_COLUMNS)
    later = series.it.read(str(npz(tmp_path / "c.npz", x=x[:, 40:])), "query", NO_COLUMNS)
    assert past.inputs.shape == (8, 6, 1)
    np.testing.assert_allclose(series.it.values(past.targets)[0], x[0, 6:9], atol=1e-3)
    assert (now.inputs.shape, now.targets) == ((1, 6, 1), None)
    assert later.targets.shape == (2, 3)
    tasks = make_tasks(series.shapes, past, now)
    assert [task.name for task in tasks] == [""]


def test_several_series_are_several_tasks(series, tmp_path):
    file = str(npz(tmp_path / "a.npz", x=walks(series=3)))
    past, later = (series.it.read(file, role, NO_COLUMNS) for role in ("support", "query"))
    assert [task.name for task in make_tasks(series.shapes, past, later)] == [
        "row 0",
        "row 1",
        "row 2",
    ]


def test_a_series_of_ones_own_need_not_be_told_apart(tmp_path):
    arrays = {"x": walks(series=20), "who": np.repeat(np.arange(10), 2)}
    run = reader_of(
        npz(tmp_path / "a.npz", **arrays),
        target="forecast",
        window=6,
        horizon=3,
        recording_column="who",
    )
    mine = str(npz(tmp_path / "mine.npz", x=walks(series=1)))
    assert set(run.it.read(mine, "support", NO_COLUMNS).tasks) == {""}
    with pytest.raises(DataError, match=r"has no array 'who' \(--task-column\)"):
        run.it.read(mine, "support", Columns(task="who"))
