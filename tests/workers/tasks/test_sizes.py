"""Shots and queries that are ranges: what each family draws, and what it says of padding."""

import numpy as np
import pytest
from small_images import members as images_of
from small_images import write_folder
from small_npz import blobs, lines, save, with_queries
from small_signals import class_folders, npz, sines, walks
from small_tables import write_table
from small_texts import rows_of, write

from workers.settings.images_task import ImagesTask
from workers.settings.npz_task import NpzTask
from workers.settings.signal_task import SignalTask
from workers.settings.sinusoid_task import SinusoidTask
from workers.settings.table_task import TableTask
from workers.settings.text_tasks import TextTask
from workers.tasks.registry import make_family
from workers.tasks.sizes import at_most, draw_sizes, filled, marked
from workers.wire.errors import DataError
from workers.wire.protocol import Draw

SHOTS, QUERIES = (2, 3), (2, 4)
RANGES = {"shots": SHOTS, "queries": QUERIES}
DRAW = Draw(0, "train", 5)


def of_images(folder):
    source = write_folder(folder / "i", images_of(9, 8))
    return ImagesTask(path=str(source), cache=str(folder / "c"), image_size=8, ways=3, **RANGES)


def of_signals(folder):
    return SignalTask(path=str(class_folders(folder / "s", *sines(9, 8))), ways=3, **RANGES)


def of_series(folder, **settings):
    file = npz(folder / "a.npz", x=walks())
    forecast = {"target": "forecast", "window": 6, "hop": 2, **settings}
    return SignalTask(path=str(file), **forecast, **RANGES)


def of_scaled_series(folder):
    return of_series(folder, scaling="example")


def of_texts(folder):
    file = write(folder / "a.csv", rows_of(num_classes=9))
    return TextTask(path=str(file), ways=3, **RANGES)


def of_table(folder, **settings):
    rng = np.random.default_rng(0)
    rows = {"task": np.repeat(np.arange(9), 8), "x": rng.normal(size=72), "y": rng.normal(size=72)}
    file = write_table(folder / "a.csv", {k: list(map(str, v)) for k, v in rows.items()})
    named = {"task_column": "task", "target_column": "y", "target": "value"}
    return TableTask(path=str(file), **named, **settings, **RANGES)


def of_scaled_table(folder):
    return of_table(folder, target_scaling="per_task")


def of_files(folder):
    return NpzTask(path=str(save(folder / "n", lines())), **RANGES)


def of_files_of_classes(folder):
    return NpzTask(path=str(save(folder / "n", blobs(examples=8))), **RANGES)


def of_files_with_queries(folder):
    return NpzTask(path=str(save(folder / "n", with_queries(lines(examples=12)))), **RANGES)


def of_sinusoids(folder):
    return SinusoidTask(**RANGES)


FAMILIES = [
    of_images,
    of_signals,
    of_series,
    of_scaled_series,
    of_texts,
    of_table,
    of_scaled_table,
    of_files,
    of_files_of_classes,
    of_files_with_queries,
    of_sinusoids,
]


def is_real(targets):
    if targets.ndim == 2:
        assert (targets >= -1).all()
        return targets >= 0
    assert (np.isnan(targets).any(-1) == np.isnan(targets).all(-1)).all()
    return ~np.isnan(targets[..., 0])


@pytest.mark.parametrize("settings", FAMILIES)
def test_each_task_and_class_has_its_own_number_within_the_range(settings, tmp_path):
    family = make_family(settings(tmp_path))
    episode = family.build(family.sample(DRAW, 0, 60, SHOTS, QUERIES))
    ways = family.num_outputs if episode.query_targets.ndim == 2 else 1
    for inputs, targets, (least, most) in (
        (*episode[:2], SHOTS),
        (*episode[2:], QUERIES),
    ):
        assert targets.shape[:2] == inputs.shape[:2] == (60, ways * most)
        assert np.isfinite(inputs).all()
        numbers = is_real(targets).reshape(60, ways, most).sum(-1)
        assert set(numbers.ravel()) == set(range(least, most + 1))
        if ways > 1:
            assert (numbers.min(1) < numbers.max(1)).any()
            real = is_real(targets).reshape(60, ways, most)
            classes = targets.reshape(60, ways, most)
            assert all((classes[:, way][real[:, way]] == way).all() for way in range(ways))


@pytest.mark.parametrize("settings", FAMILIES)
def test_tasks_do_not_depend_on_the_range_in_which_they_are_drawn(settings, tmp_path):
    family = make_family(settings(tmp_path))
    whole = family.sample(DRAW, 0, 9, SHOTS, QUERIES)
    part = family.sample(DRAW, 4, 9, SHOTS, QUERIES)
    for name, values in whole.items():
        np.testing.assert_array_equal(values[4:], part[name])
    assert len(family.names(whole)) == 9


@pytest.mark.parametrize("settings", [of_images, of_signals, of_texts, of_table, of_files])
def test_support_and_queries_have_no_example_in_common(settings, tmp_path):
    family = make_family(settings(tmp_path))
    episode = family.build(family.sample(DRAW, 0, 40, SHOTS, QUERIES))
    for task in range(40):
        told = episode.support_inputs[task][is_real(episode.support_targets)[task]]
        asked = episode.query_inputs[task][is_real(episode.query_targets)[task]]
        both = [each.tobytes() for each in (*told, *asked)]
        assert len(set(both)) == len(both)


@pytest.mark.parametrize("settings", [of_scaled_series, of_scaled_table])
def test_a_scale_of_the_support_set_is_that_of_its_real_examples(settings, tmp_path):
    family = make_family(settings(tmp_path))
    episode = family.build(family.sample(DRAW, 0, 40, (2, 3), QUERIES))
    real = is_real(episode.support_targets)
    for task in range(40):
        if settings is of_scaled_series:
            own = episode.support_inputs[task][real[task]]
        else:
            own = episode.support_targets[task][real[task]]
        np.testing.assert_allclose([own.mean(), own.std()], [0, 1], atol=1e-5)


def test_a_class_with_few_examples_gives_as_many_as_it_has(tmp_path):
    contents = images_of(9, 8)
    few = {name: png for name, png in contents.items() if "c01" not in name or name[-5] < "4"}
    source = write_folder(tmp_path / "i", few)
    settings = ImagesTask(
        path=str(source),
        cache=str(tmp_path / "c"),
        image_size=8,
        ways=3,
        shots=(1, 5),
        queries=(1, 5),
    )
    family = make_family(settings)
    for split in ("train", "validation", "test"):
        specs = family.sample(Draw(0, split, 0), 0, 50, (1, 5), (1, 5))
        small = np.array(specs["classes"]) == family._images.class_names.index("c01")
        both = np.concatenate([specs["support_examples"], specs["query_examples"]], axis=-1)
        numbers = (both >= 0).sum(-1)
        assert numbers[~small].max() > 4
        if small.any():
            assert 2 <= numbers[small].min() <= numbers[small].max() == 4
            break
    else:
        raise AssertionError("the small class is in no split")
    with pytest.raises(DataError, match=r"shots = 2 to 5 and queries = 3 need 5 images of a class"):
        family.sample(Draw(0, split, 0), 0, 1, (2, 5), 3)


def test_images_with_copies_are_kept_apart_in_tasks_of_any_size(tmp_path):
    contents = images_of(9, 8)
    contents |= {f"{name[:4]}x{name[4:]}": png for name, png in contents.items()}
    source = write_folder(tmp_path / "i", contents)
    family = make_family(
        ImagesTask(path=str(source), cache=str(tmp_path / "c"), image_size=8, ways=3, **RANGES)
    )
    episode = family.build(family.sample(DRAW, 0, 60, SHOTS, QUERIES))
    for task in range(60):
        told = episode.support_inputs[task][is_real(episode.support_targets)[task]]
        asked = episode.query_inputs[task][is_real(episode.query_targets)[task]]
        assert not {each.tobytes() for each in told} & {each.tobytes() for each in asked}


def test_numbers_draw_nothing():
    rng, other = (np.random.default_rng(0) for _ in range(2))
    assert draw_sizes(rng, 3, 4, at_most(7)) == (3, 4)
    assert rng.random() == other.random()


def test_sizes_are_as_large_as_what_is_held_allows():
    rng = np.random.default_rng(0)
    drawn = {draw_sizes(rng, (1, 4), (2, 100), at_most(5)) for _ in range(300)}
    assert drawn == {(k, q) for k in (1, 2, 3) for q in range(2, 6 - k)}
    assert draw_sizes(rng, 2, (3, 3), at_most(5)) == (2, 3)


def test_padding_is_a_mark_that_plain_rows_do_not_have():
    rows = np.array([[4, 5, -1], [6, -1, -1]])
    np.testing.assert_array_equal(filled(rows), [[4, 5, 4], [6, 6, 6]])
    np.testing.assert_array_equal(
        marked(np.ones((2, 3), np.int32), rows), [[1, 1, -1], [1, -1, -1]]
    )
    numbers = marked(np.ones((2, 3, 2), np.float32), rows)
    assert numbers.dtype == np.float32
    np.testing.assert_array_equal(np.isnan(numbers).all(-1), rows < 0)
    plain = np.arange(6).reshape(2, 3)
    assert filled(plain) is plain
