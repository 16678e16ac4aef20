"""Tasks that are each of one of several data sets: names, splits, draws and refusals."""

import itertools
import json

import numpy as np
import pytest
from small_images import members, write_folder, write_parquet, write_zip

from workers.settings.images_task import ImagesTask
from workers.tasks.images.family import ImagesFamily
from workers.tasks.splits import SPLITS
from workers.wire.errors import DataError, SourceError
from workers.wire.protocol import Draw, take

TRAIN, TEST = Draw(3, "train", 7), Draw(3, "test", 0)
SIZES = {"birds": 20, "fungi": 10, "signs": 15}


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A zip, a folder and a Parquet file; classes of the same names, other images."""
    folder = tmp_path_factory.mktemp("sources")
    contents, first = {}, 0
    for name, number in SIZES.items():
        own = members(number, 4, first=first)
        contents[name] = {f"c{int(key[1:3]) - first:02}{key[3:]}": own[key] for key in own}
        first += number
    write_zip(folder / "birds.zip", contents["birds"])
    write_folder(folder / "fungi", contents["fungi"])
    signs = contents["signs"]
    labels = [key.partition("/")[0] for key in signs]
    write_parquet(folder / "signs.parquet", image=list(signs.values()), label=labels)
    return folder


@pytest.fixture
def make(sources):
    """A family of these sources; paths are relative to their folder."""

    def make_of(paths=("birds.zip", "fungi", "signs.parquet"), test_paths=None, **changes):
        common = {"cache": str(sources / "cache"), "image_size": 8, "ways": 2, "mix": False}
        settings = {**common, "path": tuple(str(sources / path) for path in paths), **changes}
        if test_paths:
            settings["test_path"] = tuple(str(sources / path) for path in test_paths)
        return ImagesFamily(ImagesTask(**settings))

    return make_of


def drawn(family, split, number=300, **draw):
    """The data set of each task, by the names of all of its classes."""
    specs = family.sample(Draw(0, split, 0), 0, number, 1, 1, **draw)
    names = family._images.class_names
    tops = [{names[i].partition("/")[0] for i in own if i >= 0} for own in specs["classes"]]
    assert all(len(own) == 1 for own in tops)
    assert [own for (own,) in tops] == family.domains(specs)
    return family.domains(specs)


def test_all_classes_of_a_task_are_of_one_data_set(make):
    family = make()
    for split in SPLITS:
        assert set(drawn(family, split)) == set(SIZES)


def test_mixed_tasks_are_those_from_before(make, sources):
    family = make(mix=True, paths=("birds.zip", "signs.parquet"))
    assert len(family._images.class_names) == 20  # c00 of both is one class
    specs = family.sample(TRAIN, 0, 30, 1, 1)
    assert family.domains(specs) == [""] * 30
    one = make(mix=True, paths=("birds.zip",))
    assert one.sample(TRAIN, 0, 30, 1, 1)["classes"].tolist() == specs["classes"].tolist()
    assert family.protocol("test")["mix"] is True
    assert "mix" not in one.protocol("test")


def test_a_data_sets_images_are_its_own(make, sources):
    family = make()
    specs = family.sample(TRAIN, 0, 40, 1, 2)
    pixels = np.round(family.build(specs).query_inputs[..., 0] * 255).astype(int)
    first = dict(zip(SIZES, itertools.accumulate([0, *SIZES.values()]), strict=False))
    for task, domain in enumerate(family.domains(specs)):
        own = [int(name.rpartition("c")[2]) for name in family.names(specs)[task].split(", ")]
        numbers = [first[domain] + name for name in own for _ in range(2)]
        assert pixels[task, :, 0, 0].tolist() == numbers
        assert family.names(specs)[task].startswith(f"{domain}: c")


def test_training_draws_data_sets_uniformly_or_by_weight(make):
    counts = [drawn(make(), "train", 900).count(name) for name in SIZES]
    assert max(abs(count - 300) for count in counts) < 5 * 300**0.5
    weighted = drawn(make(domain_weights=(1.0, 7.0, 2.0)), "train", 900)
    shares = np.array([weighted.count(name) for name in SIZES])
    assert (abs(shares - [90, 630, 180]) < 5 * np.array([90, 270, 180]) ** 0.5).all()


def test_held_out_tasks_are_of_each_data_set_in_turn(make):
    family = make(domain_weights=(1.0, 7.0, 2.0))
    for split in ("validation", "test"):
        assert drawn(family, split, 7) == [*SIZES, *SIZES, "birds"]


def test_a_task_depends_on_its_draw_and_number_alone(make):
    family, again = make(), make()
    for draw in (TRAIN, TEST):
        whole, part = family.sample(draw, 0, 10, 1, 2), again.sample(draw, 4, 7, 1, 2)
        for name, values in take(whole, 4, 7).items():
            np.testing.assert_array_equal(part[name], values)
    other = family.sample(Draw(4, "train", 7), 0, 10, 1, 2)
    assert family.domains(other) != family.domains(family.sample(TRAIN, 0, 10, 1, 2))


def test_a_seeds_tasks_never_change(make):
    specs = make().sample(TRAIN, 0, 3, 1, 1)
    assert {name: specs[name].tolist() for name in ("classes", "query_examples")} == {
        "classes": [[20, 28], [44, 41], [8, 11]],
        "query_examples": [[[0], [0]], [[3], [2]], [[1], [2]]],
    }


def test_each_data_set_is_split_as_if_it_were_alone(make):
    family = make()
    for name, path in zip(SIZES, ("birds.zip", "fungi", "signs.parquet"), strict=True):
        alone = make(mix=True, paths=(path,))
        for split in SPLITS:
            names = [family._images.class_names[i] for i in family._splits[split]]
            own = [alone._images.class_names[i] for i in alone._splits[split]]
            assert [each for each in names if each.startswith(name)] == [f"{name}/{c}" for c in own]


def test_counts_of_classes_are_of_each_data_set(make):
    family = make(train_classes=5, validation_classes=2)
    counts = {split: len(classes) for split, classes in family._splits.items()}
    assert counts == {"train": 15, "validation": 6, "test": 45 - 21}
    with pytest.raises(DataError, match=r"^the data set 'fungi': task\.train_classes = 9 \+ .* 10"):
        make(train_classes=9)


def test_data_sets_of_test_path_are_never_trained_on(make):
    family = make(paths=("birds.zip", "fungi"), test_paths=("signs.parquet",))
    assert set(drawn(family, "test")) == {"signs"}
    assert set(drawn(family, "train")) == set(drawn(family, "validation")) == {"birds", "fungi"}
    sizes = {split: len(classes) for split, classes in family._splits.items()}
    assert sizes == {"train": 17 + 8, "validation": 3 + 2, "test": 15}
    assert family.num_train_classes == 25
    protocol = family.protocol("test")
    assert (protocol["tasks_from"], protocol["trained_on"]) == ("signs", "birds, fungi")
    assert protocol["mix"] is False


def test_published_test_classes_are_not_trained_on_where_test_path_is_set(tmp_path, sources):
    split = {"train": 4, "val": 3, "test": 5}
    contents = {}
    for place, (folder, number) in enumerate(split.items()):
        contents |= members(number, 3, top=f"{folder}/", first=10 * place)
    folder = write_folder(tmp_path / "own", contents)
    task = ImagesTask(
        path=str(folder),
        test_path=str(sources / "birds.zip"),
        mix=False,
        image_size=8,
        cache=str(tmp_path / "cache"),
    )
    family = ImagesFamily(task)
    names = [family._images.class_names[i] for i in family._splits["train"]]
    assert names == [f"own/train/c{i:02}" for i in range(4)]
    assert [len(family._splits[split]) for split in SPLITS] == [4, 3, 20]


def test_a_split_file_may_test_data_sets_as_a_whole_and_classes_of_others(make, tmp_path):
    birds = [f"birds/c{i:02}" for i in range(20)]
    listed = {"train": birds[:10], "validation": birds[10:14], "test": birds[14:]}
    listed["test"] += [f"fungi/c{i:02}" for i in range(10)]
    (tmp_path / "split.json").write_text(json.dumps(listed))
    family = make(paths=("birds.zip", "fungi"), split_file=str(tmp_path / "split.json"))
    assert set(drawn(family, "train")) == set(drawn(family, "validation")) == {"birds"}
    assert drawn(family, "test", 3) == ["birds", "fungi", "birds"]


def test_a_range_of_ways_is_capped_by_each_data_set(make):
    family = make(ways=(2, 12), rotations="train")
    specs = family.sample(TRAIN, 0, 400, 1, 1)
    numbers = (specs["classes"] >= 0).sum(axis=1)
    assert numbers.max() == 12
    specs = family.sample(Draw(0, "test", 0), 0, 300, 1, 1)
    numbers = (specs["classes"] >= 0).sum(axis=1)
    domains = np.array(family.domains(specs))
    most = {name: int(numbers[domains == name].max()) for name in SIZES}
    assert most == {"birds": 4, "fungi": 2, "signs": 3}
    assert family.held_out_ways("test", (2, 12)) == [(2, 4), (2, 2), (2, 3)]
    assert set(numbers[domains == "birds"]) == {2, 3, 4}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"ways": 7},
            r"task\.ways = 7, but the data set 'fungi' has 4 in its train split; lower task\.ways "
            r"to 3 or fewer, or leave it out of the paths$",
        ),
        ({"ways": (7, 9)}, r"task\.ways = \[7, 9\], but the data set 'fungi' has 4 in its train"),
        ({"ways": (2, 99)}, r"= \[2, 99\], but no data set has more than 13 classes in its train"),
        ({"ways": None, "test_classes": 1}, r"'birds' has 1 in its test split; leave it out of"),
        ({"shots": 4}, r"there are 45 classes \('birds/c00' \(4\)"),
        ({"split_by": "folders"}, r"^the data set 'birds': task\.split_by = 'folders', but"),
    ],
)
def test_data_sets_that_are_too_small_are_refused_by_name(make, changes, message):
    with pytest.raises(DataError, match=message) as refused:
        make(**changes)
    assert "\n" not in str(refused.value)


def test_held_out_tasks_that_a_data_set_is_too_small_for_are_refused_by_name(make):
    family = make(train_classes=6, validation_classes=2, ways=3)
    with pytest.raises(DataError, match=r"a task of 3 classes, but the data set 'birds' ha"):
        family.sample(Draw(0, "validation", 0), 0, 0, 1, 1)
    with pytest.raises(DataError, match=r"'fungi' has 2 in its test split; lower evaluation\.ways"):
        family.sample(Draw(0, "test", 0), 0, 0, 1, 1)


def test_sizes_and_colours_of_all_data_sets_are_brought_to_one(make, tmp_path, sources):
    from PIL import Image

    for name in ("a", "b"):
        (tmp_path / f"large/{name}").mkdir(parents=True)
        for example in range(3):
            pixels = Image.new("RGB", (40, 30), (10 * example, 200, ord(name)))
            pixels.save(tmp_path / f"large/{name}/{example}.png")
    shapes = {
        make(("birds.zip", tmp_path / "large"), split_file=_all_of(tmp_path), **own).input_shape
        for own in ({"channels": 1}, {"channels": "auto"}, {"channels": 3, "image_size": 12})
    }
    assert shapes == {(8, 8, 1), (8, 8, 3), (12, 12, 3)}


def _all_of(folder):
    birds = [f"birds/c{i:02}" for i in range(20)]
    split = {"train": birds[:10], "validation": birds[10:], "test": ["large/a", "large/b"]}
    (folder / "split.json").write_text(json.dumps(split))
    return str(folder / "split.json")


def test_the_digest_covers_all_data_sets_in_order(make, sources):
    digests = [
        make(paths=("birds.zip", "fungi")).digest,
        make(paths=("fungi", "birds.zip")).digest,
        make(paths=("birds.zip", "signs.parquet")).digest,
        make(paths=("birds.zip", "fungi"), mix=True).digest,
        make(paths=("birds.zip",), test_paths=("fungi",)).digest,
    ]
    assert len(set(digests)) == len(digests)
    assert make(paths=("birds.zip", "fungi")).digest == digests[0]


def test_a_data_set_named_twice_is_refused(make, sources):
    (sources / "link.zip").unlink(missing_ok=True)
    (sources / "link.zip").symlink_to(sources / "birds.zip")
    message = r"^task\.path and task\.test_path name .* twice; a data set is named once$"
    for paths, test_paths in [
        (("fungi", "birds.zip", "birds.zip"), None),
        (("birds.zip", "link.zip"), None),
        (("birds.zip", "fungi"), ("fungi",)),
    ]:
        with pytest.raises(SourceError, match=message):
            make(paths=paths, test_paths=test_paths)


def test_what_data_says_names_each_data_set(make):
    family = make(paths=("birds.zip", "fungi"), test_paths=("signs.parquet",))
    assert family.describe()["data_sets"].splitlines() == [
        "birds: 20 classes (train 17, validation 3), 80 images",
        "fungi: 10 classes (train 8, validation 2), 40 images",
        "signs: 15 classes (test 15), 60 images",
    ]
    weights = make(domain_weights=(2.0, 1.0, 1.0)).protocol("test")["data_sets_drawn"]
    assert weights.startswith("in training by weight: birds 2, fungi 1, signs 1; held-out tasks")
