"""Made-up copies of published data sets: their folders and tables split classes as published."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from small_images import png, write_folder

from workers.settings.images_task import ImagesTask
from workers.tasks.images.family import ImagesFamily
from workers.tasks.splits import SPLITS
from workers.wire.errors import DataError

PUBLISHED = json.loads(
    (Path(__file__).parents[3] / "fakes/tasks/published_splits.json").read_text()
)
SMALL = {
    "train": [f"n0{i}" for i in range(8)],
    "validation": [f"n1{i}" for i in range(3)],
    "test": [f"n2{i}" for i in range(4)],
}
#: What the three splits are called in folders and files.
USUAL, FILELISTS = ("train", "val", "test"), ("base", "val", "novel")


def image(place):
    pixels = np.full((8, 8), place % 251, np.uint8)
    pixels[0, 0] = place // 251
    return png(pixels)


def family(source, **settings):
    cache = str(Path(source).parent / "cache")
    common = {"image_size": 8, "ways": 2, "shots": 1, "queries": 1, "cache": cache}
    return ImagesFamily(ImagesTask(**{"path": str(source), **common, **settings}))


def folders(root, split, below="{folder}/{name}"):
    """Two images of each class, in folders of its split or, `below` = "{name}", in none."""
    names = [(folder, name) for folder, s in zip(USUAL, SPLITS, strict=True) for name in split[s]]
    places = {
        f"{below.format(folder=folder, name=name)}/{example}.png": image(2 * number + example)
        for number, (folder, name) in enumerate(names)
        for example in range(2)
    }
    return write_folder(root, places)


def lists(root, split, ending, names=USUAL):
    root.mkdir(parents=True, exist_ok=True)
    for name, own in zip(names, (split[each] for each in SPLITS), strict=True):
        if ending == ".txt":
            text = "\n".join(own) + "\n"
        elif ending == ".csv":
            text = "".join(f"{each},coarser\n" for each in own)
        else:
            text = json.dumps(own)
        (root / f"{name}{ending}").write_text(text)
    return root


def split_of(found):
    """The classes of each split, without the folder of the split."""
    return {
        split: sorted(found._images.class_names[i].rpartition("/")[2] for i in found._splits[split])
        for split in SPLITS
    }


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("mini-imagenet", "mini-ImageNet, split of Ravi and Larochelle 2017"),
        ("cifar-fs", "CIFAR-FS, split of Bertinetto et al. 2019"),
        ("fc100", "FC100, split of Oreshkin et al. 2018"),
        ("cub", "CUB-200-2011, split of Chen et al. 2019"),
    ],
)
def test_folders_of_a_published_split_are_recognized(tmp_path, name, title):
    found = family(folders(tmp_path / "data", PUBLISHED[name]))
    assert split_of(found) == {split: sorted(own) for split, own in PUBLISHED[name].items()}
    assert found.protocol("test")["published_split"] == title
    assert found.describe()["published_split"] == title
    images = 2 * sum(map(len, PUBLISHED[name].values()))
    (note,) = [note for note in found.notes() if title in note]
    assert note.endswith("not 11788" if name == "cub" else "not 60000")
    assert f"with {images} images" in note


def test_another_split_of_the_same_classes_is_not_taken_for_it(tmp_path):
    found = family(folders(tmp_path / "data", PUBLISHED["cifar-fs"]), split_by="seed")
    assert "published_split" not in found.protocol("test") | found.describe()


def test_folders_split_classes_unless_counts_or_a_seed_are_asked_for(tmp_path):
    data = folders(tmp_path / "data", SMALL)
    assert split_of(family(data)) == SMALL
    assert split_of(family(data, split_by="folders", train_classes=3)) == SMALL
    for settings in ({"split_by": "seed"}, {"train_classes": 8}):
        assert split_of(family(data, **settings)) != SMALL


def test_other_names_of_the_splits(tmp_path):
    data = folders(tmp_path / "data", SMALL)
    for old, new in (("train", "Meta_Train"), ("val", "validation"), ("test", "novel")):
        (data / old).rename(data / new)
    assert split_of(family(data)) == SMALL


def test_folders_that_split_the_images_of_each_class_do_not_split_classes(tmp_path):
    same = {split: ["cat", "dog", "owl"] for split in SPLITS}
    data = folders(tmp_path / "data", same)
    notes = family(data).notes()
    assert notes[0].startswith("3 class names, such as 'cat', occur in each of the folders test")
    with pytest.raises(
        DataError, match=r"^task\.split_by = 'folders', but .* named like 'test/cat'"
    ):
        family(data, split_by="folders")


def test_small_classes_are_left_out_of_a_folder(tmp_path):
    data = folders(tmp_path / "data", SMALL)
    (data / "train/n03/0.png").unlink()
    found = family(data, small_classes="leave_out")
    assert "n03" not in split_of(found)["train"]
    assert len(split_of(found)["train"]) == 7


def mini_imagenet(root, tables):
    """images/ with all images, and train.csv, val.csv and test.csv in the folder `tables`."""
    places, rows = {}, dict.fromkeys(USUAL, "filename,label\n")
    for name, split in zip(USUAL, SPLITS, strict=True):
        for own in SMALL[split]:
            for example in range(2):
                file = f"{own}{example:08}.png"
                places[file] = image(len(places))
                rows[name] += f"{file},{own}\n"
    write_folder(root / "images", places)
    (root / tables).mkdir(exist_ok=True)
    for name, text in rows.items():
        (root / tables / f"{name}.csv").write_text(text)
    return root


@pytest.mark.parametrize("tables", [".", "split", "images"])
def test_mini_imagenets_tables_split_classes(tmp_path, tables):
    root = mini_imagenet(tmp_path / "data", tables)
    found = family(root / "images" if tables == "images" else root)
    assert split_of(found) == SMALL
    assert len(found._images.pixels) == 30


def test_a_class_in_two_tables_does_not_split_classes(tmp_path):
    root = mini_imagenet(tmp_path / "data", ".")
    table = root / "val.csv"
    table.write_text(table.read_text() + "n0100000000.png,n01\n")
    notes = family(root, small_classes="leave_out").notes()
    assert any(
        "such as 'n01', occur in each of the folders train and val" in each for each in notes
    )


def test_the_same_tables_under_other_names_are_another_source(tmp_path):
    root = mini_imagenet(tmp_path / "data", ".")
    assert family(root)._images.class_names[0] == "test/n20"
    files = [(root / f"{name}.csv").rename(root / f"{name}_1.csv") for name in USUAL]
    plain = family(files[0], path=[str(file) for file in files])
    assert plain._images.class_names[0] == "n00"


@pytest.mark.parametrize("ending", [".txt", ".csv", ".json"])
def test_lists_of_names_beside_folders_of_classes(tmp_path, ending):
    data = folders(tmp_path / "data", SMALL, "{name}")
    given = lists(tmp_path / "splits", SMALL, ending)
    assert split_of(family(data, split_file=str(given))) == SMALL


def test_lists_count_more_than_folders(tmp_path):
    data = folders(tmp_path / "data", SMALL)
    turned = {"train": SMALL["test"], "validation": SMALL["train"], "test": SMALL["validation"]}
    given = lists(tmp_path / "splits", turned, ".json")
    assert split_of(family(data, split_file=str(given))) == turned


def test_file_lists_name_classes_by_their_images(tmp_path):
    data = folders(tmp_path / "data", SMALL, "{name}")
    every = [name for split in SPLITS for name in SMALL[split]]
    for name, split in zip(FILELISTS, SPLITS, strict=True):
        labels = [every.index(each) for each in SMALL[split] for _ in range(2)]
        images = [f"{every[label]}/{i % 2}.png" for i, label in enumerate(labels)]
        text = {"label_names": every, "image_names": images, "image_labels": labels}
        (tmp_path / f"{name}.json").write_text(json.dumps(text))
    assert split_of(family(data, split_file=str(tmp_path))) == SMALL


WRONG = {
    "two of three": (
        ["train.txt", "val.txt"],
        "is a folder without a file of names for each split",
    ),
    "an empty one": (["train.txt", "val.txt", "test.txt"], "test.txt: names no class"),
}


@pytest.mark.parametrize("what", WRONG)
def test_a_folder_of_lists_that_is_none(tmp_path, what):
    names, said = WRONG[what]
    data = folders(tmp_path / "data", SMALL, "{name}")
    given = tmp_path / "splits"
    given.mkdir()
    for name in names:
        (given / name).write_text(
            "" if name == "test.txt" else f"{SMALL['train'][len(name) - 7]}\n"
        )
    with pytest.raises(DataError, match=said):
        family(data, split_file=str(given))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"label_names": ["n00"], "image_labels": [1]}', "are not numbers of 'label_names'"),
        ('{"label_names": ["n00"], "image_labels": ["a"]}', "are not numbers of 'label_names'"),
        ('{"names": []}', "is not a list of names"),
        ("[1, 2]", "is not a list of names"),
        ("[", "cannot be read as JSON"),
    ],
)
def test_a_list_that_is_none(tmp_path, text, said):
    data = folders(tmp_path / "data", SMALL, "{name}")
    given = lists(tmp_path / "splits", SMALL, ".json")
    (given / "val.json").write_text(text)
    with pytest.raises(DataError, match=said) as raised:
        family(data, split_file=str(given))
    assert "\n" not in str(raised.value)


def test_a_table_with_a_short_row_and_a_list_that_is_no_text(tmp_path):
    data = folders(tmp_path / "data", SMALL, "{name}")
    given = lists(tmp_path / "splits", SMALL, ".csv")
    (given / "val.csv").write_text("filename,label\na.png,n10\nb.png\n")
    with pytest.raises(DataError, match=r"val\.csv: row 3 has no 'label'"):
        family(data, split_file=str(given))
    (given / "val.csv").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(DataError, match=r"val\.csv: cannot be read"):
        family(data, split_file=str(given))


def test_the_image_of_a_table_is_the_one_that_it_names(tmp_path):
    root = mini_imagenet(tmp_path / "data", ".")
    found = family(root)
    place = found._images.class_names.index("val/n11")
    pixels = found._images.pixels[found._images.offsets[place]]
    stored = np.asarray(Image.open(root / "images/n1100000000.png"))
    np.testing.assert_array_equal(pixels[..., 0], stored)
