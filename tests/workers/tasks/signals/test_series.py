"""Series: what is early and what is late, what is to be forecast, and in which units."""

import numpy as np
import pytest
from small_signals import npz, walks
from small_tables import write_table

from workers.settings.signal_task import SignalTask
from workers.tasks.registry import make_family
from workers.wire.protocol import Draw

#: Sample i of series s is 100 s + i: each says where it is from.
PLACES = 100.0 * np.arange(10)[:, None] + np.arange(60)
FORECAST = {"target": "forecast", "window": 6, "hop": 2, "horizon": 3, "scaling": "none"}


def family(path, **settings):
    return make_family(SignalTask(path=str(path), **{"shots": 3, "queries": 4, **settings}))


def episode(found, number=40, split="train"):
    return found.build(found.sample(Draw(0, split, 0), 0, number, 3, 4))


def test_a_task_is_a_series_and_its_targets_follow_its_windows(tmp_path):
    found = family(npz(tmp_path / "a.npz", x=PLACES), **FORECAST)
    tasks = episode(found)
    assert tasks.support_inputs.shape == (40, 3, 6, 1)
    assert tasks.query_targets.shape == (40, 4, 3)
    for inputs, targets in (tasks[:2], tasks[2:]):
        np.testing.assert_array_equal(targets, inputs[..., -1:, 0] + [1, 2, 3])
        np.testing.assert_array_equal(inputs[..., 0], inputs[..., :1, 0] + np.arange(6))
    series = tasks.support_inputs[:, :1, :1, 0] // 100
    assert (tasks.support_inputs[..., 0] // 100 == series).all()
    assert (tasks.query_inputs[..., 0] // 100 == series).all()
    # Nothing that a support window shows or is to forecast is in a query.
    assert (tasks.support_targets % 100).max() == 28
    assert (tasks.query_inputs % 100).min() == 30


def test_the_share_of_the_earlier_part_is_a_setting(tmp_path):
    file = npz(tmp_path / "a.npz", x=PLACES)
    tasks = episode(family(file, **{**FORECAST, "hop": 1}, early_share=0.3))
    assert (tasks.support_targets % 100).max() == 17
    assert (tasks.query_inputs % 100).min() == 18


def test_series_of_one_split_are_in_no_other(tmp_path):
    found = family(npz(tmp_path / "a.npz", x=PLACES), **FORECAST)
    seen = [
        set((episode(found, 60, split).support_inputs // 100).ravel())
        for split in ("train", "validation", "test")
    ]
    assert list(map(len, seen)) == [6, 2, 2]
    assert len(set.union(*seen)) == 10


def test_one_channel_of_several_is_forecast(tmp_path):
    both = np.stack([PLACES, -PLACES], axis=-1)
    found = family(npz(tmp_path / "a.npz", x=both), **FORECAST, target_channel=1)
    tasks = episode(found)
    np.testing.assert_array_equal(tasks.query_targets, -tasks.query_inputs[..., -1:, 0] - [1, 2, 3])


def test_samples_and_targets_are_in_units_of_the_training_series(tmp_path):
    x = walks()
    plain, scaled = (
        family(npz(tmp_path / f"{by}.npz", x=x), **{**FORECAST, "scaling": by})
        for by in ("none", "training")
    )
    mean, deviation = (each[0] for each in scaled.preparation["signals"]["samples"])
    for raw, own in zip(episode(plain), episode(scaled), strict=True):
        np.testing.assert_allclose(own, (raw - mean) / deviation, atol=1e-4)
    unit = f"the square of {deviation:.4g}, the standard deviation of samples"
    assert scaled.protocol("test")["unit_of_the_loss"].startswith(unit)
    likely = {**FORECAST, "scaling": "training", "loss": "gaussian_nll"}
    other = family(npz(tmp_path / "a.npz", x=x), **likely)
    unit = f"that of targets divided by {deviation:.4g}, the standard deviation of samples"
    assert other.protocol("test")["unit_of_the_loss"].startswith(unit)


def test_samples_and_targets_are_in_units_of_the_support_windows(tmp_path):
    """A series in other units is the same task."""
    x = walks()
    found = [
        episode(family(npz(tmp_path / f"{i}.npz", x=each), **{**FORECAST, "scaling": "example"}))
        for i, each in enumerate((x, 1000 * x - 7))
    ]
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    windows = found[0].support_inputs.reshape(40, -1)
    np.testing.assert_allclose(windows.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(windows.std(1), 1, atol=1e-4)


def test_tasks_are_the_same_in_whatever_ranges_they_are_drawn_and_built(tmp_path):
    found = family(npz(tmp_path / "a.npz", x=walks()), **{**FORECAST, "scaling": "example"})
    draw = Draw(3, "train", 5)
    whole = found.sample(draw, 0, 9, 3, 4)
    part = found.sample(draw, 4, 7, 3, 4)
    for name in whole:
        np.testing.assert_array_equal(part[name], whole[name][4:7])
    for few, many in zip(found.build(part), found.build(whole), strict=True):
        np.testing.assert_array_equal(few, many[4:7])


def test_a_value_for_each_signal_of_a_series(tmp_path):
    """Four whole signals of each of ten: the first two are support, in the order of the file."""
    x = PLACES.reshape(40, 15)
    arrays = {"x": x, "y": x[:, 0], "who": np.repeat([f"w{i}" for i in range(10)], 4)}
    found = make_family(
        SignalTask(
            path=str(npz(tmp_path / "a.npz", **arrays)),
            target="value",
            recording_column="who",
            scaling="none",
            shots=2,
            queries=2,
        )
    )
    specs = found.sample(Draw(0, "train", 0), 0, 20, 2, 2)
    tasks = found.build(specs)
    np.testing.assert_array_equal(tasks.query_targets[..., 0], tasks.query_inputs[:, :, 0, 0])
    np.testing.assert_array_equal(tasks.support_targets[:, :, 0] % 100 % 60, [[0, 15]] * 20)
    assert set(found.names(specs)) <= {f"w{i}" for i in range(10)}
    assert (found.picture, found.num_outputs) == ("predicted", 1)


def test_a_value_for_each_sample_is_that_of_a_windows_last(tmp_path):
    columns = {
        "who": np.repeat([f"w{i}" for i in range(10)], 60),
        "x": PLACES.ravel(),
        "label": -PLACES.ravel(),
    }
    found = family(
        write_table(tmp_path / "a.csv", columns),
        target="value",
        signal_column="x",
        recording_column="who",
        window=5,
        scaling="none",
    )
    tasks = episode(found)
    np.testing.assert_array_equal(tasks.query_targets[..., 0], -tasks.query_inputs[:, :, -1, 0])
    scaled = family(
        tmp_path / "a.csv",
        target="value",
        signal_column="x",
        recording_column="who",
        window=5,
    )
    assert scaled.protocol("test")["unit_of_the_loss"].startswith("the square of ")
    assert abs(episode(scaled, 200).query_targets.mean()) < 1


def test_windows_with_the_same_content_are_not_asked_about(tmp_path):
    """A series that repeats has hardly a window that was not seen."""
    x = np.tile(np.arange(10), 6)[None] + 100 * np.arange(10)[:, None]
    with pytest.raises(ValueError, match=r"different windows in its earlier part and 0 in"):
        family(npz(tmp_path / "a.npz", x=x), **FORECAST)


def test_numbers_far_from_zero_keep_their_digits(tmp_path):
    x = walks() - 100
    near, far = (
        episode(
            family(npz(tmp_path / f"{i}.npz", x=x + offset), **{**FORECAST, "scaling": "training"})
        )
        for i, offset in enumerate((0.0, 1e9))
    )
    np.testing.assert_allclose(near.query_targets, far.query_targets, atol=1e-5)


def test_small_series_are_left_out_by_name(tmp_path):
    x = np.concatenate([PLACES[:, :30], PLACES[1:, 30:]])
    recordings = [*range(10), *range(1, 10)]  # 0 is half as long
    file = npz(tmp_path / "a.npz", x=x, who=np.array(recordings))
    settings = {**FORECAST, "recording_column": "who", "shots": 6, "queries": 6}
    assert family(file, **settings, small_classes="leave_out").notes() == [
        "1 series has too few examples for shots = 6 and queries = 6: left out, '0' (8) "
        "(task.small_classes)"
    ]


@pytest.mark.parametrize(
    ("settings", "unit"),
    [
        ({}, "the samples' own unit"),
        ({"scaling": "example"}, "the standard deviation of the task's own support windows"),
        ({"scaling": "training"}, "of samples of training series"),
    ],
    ids=["none", "example", "training"],
)
def test_a_family_says_what_it_is(tmp_path, settings, unit):
    found = family(npz(tmp_path / "a.npz", x=PLACES), **{**FORECAST, **settings})
    assert unit in found.protocol("test")["unit_of_the_loss"]
    told = found.describe()
    assert told["series"] == 10
    assert [told[f"{split}_series"] for split in ("train", "validation", "test")] == [6, 2, 2]
    specs = found.sample(Draw(0, "train", 0), 0, 2, 3, 4)
    assert found.showcase(specs) is specs
    assert not found.display_text(specs)
    assert found.names(specs) == [f"row {number}" for number in specs["series"]]
