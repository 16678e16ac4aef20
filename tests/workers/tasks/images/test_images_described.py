"""What a family of images says of itself, and the tasks that it refuses."""

import numpy as np
import pytest
from small_image_families import DRAW, image_family_maker
from small_images import members, omniglot, picture, write_zip

from workers.settings.images_task import ImagesTask
from workers.tasks.images.family import ImagesFamily
from workers.wire.errors import DataError
from workers.wire.protocol import Draw


@pytest.fixture
def make(tmp_path):
    """A family over a zip of 20 classes of 6 images of 8 x 8: 13 / 3 / 4 classes."""
    return image_family_maker(tmp_path)


def test_more_ways_than_classes_are_refused(make):
    with pytest.raises(DataError) as caught:
        make(ways=9)
    assert str(caught.value) == (
        "task.ways = 9, but the train split has 8 classes to choose from; "
        "lower task.ways to 8 or fewer, or raise task.train_classes"
    )
    family = make(ways=7)
    with pytest.raises(DataError) as caught:
        family.sample(Draw(0, "validation", 0), 0, 0, 1, 1)
    assert str(caught.value) == (
        "a task of 7 classes, but the validation split has 6 to choose from; lower "
        "evaluation.ways, or task.ways where that is unset, to 6 or fewer, or raise "
        "task.validation_classes"
    )
    assert family.sample(Draw(0, "validation", 0), 0, 1, 1, 1, ways=6)["classes"].shape == (1, 6)
    assert make(ways=6).describe()["validation_classes"] == 6
    assert make(ways=12, rotations="all").num_outputs == 12


def test_more_images_than_a_class_has_are_refused(make):
    message = (
        r"^shots = 4 and queries = 3 need 7 images of a class; there are \d+ classes "
        r"\('c\d\d' \(6\), .*\.\.\.\) with fewer different ones; lower task\.shots or "
        r"task\.queries$"  # no class has as many: none would be left
    )
    with pytest.raises(DataError, match=message):
        make(shots=4, queries=3)
    family = make(shots=4, queries=2)
    with pytest.raises(DataError, match=message):
        family.sample(DRAW, 0, 1, 4, 3)


def test_the_protocol_says_where_tasks_are_from(make):
    family = make(rotations="train")
    assert family.protocol("train") == {
        "tasks_from": "a.zip",
        "split_hash": family.describe()["split_hash"],
        "classes": 13,
        "rotated": True,
        "data_digest": family.describe()["digest"],
    }
    assert family.protocol("test")["classes"] == 4


def test_the_digest_changes_with_the_pixels_and_with_the_split(make):
    digests = {make().digest, make(invert=True).digest, make(split_seed=1).digest}
    assert len(digests) == 3
    assert make().digest in digests


def test_the_description_counts_what_is_there(make, tmp_path):
    described = make(invert=True).describe()
    mean = np.mean([255 - picture(i, j) for i in range(20) for j in range(6)]) / 255
    assert described.pop("pixel_mean") == pytest.approx(mean)
    cache = described.pop("cache")
    assert cache.endswith(" MB")
    assert cache.startswith(str(tmp_path / "cache" / "images-"))
    assert len(described.pop("digest")) == len(described.pop("split_hash")) == 64
    assert described == {
        "source": [str(tmp_path / "a.zip")],
        "images": 120,
        "classes": 20,
        "examples_per_class": [6, 6],
        "stored_as": "8 x 8 x 1, uint8",
        "train_classes": 13,
        "validation_classes": 3,
        "test_classes": 4,
    }


@pytest.mark.slow
def test_omniglot_as_in_finn_et_al(tmp_path):
    family = ImagesFamily(
        ImagesTask(
            path=str(omniglot() / "omniglot.parquet"),
            label_column=("alphabet", "character"),
            cache=str(tmp_path),
            invert=True,
            rotations="train",
            train_classes=1100,
            validation_classes=100,
        )
    )
    described = family.describe()
    assert (described["images"], described["classes"]) == (32460, 1623)
    assert described["examples_per_class"] == [20, 20]
    assert described["test_classes"] == 423
    assert described["split_hash"] == (
        "cd3759227e8e957849784e639fdd47922531eba058589aa36ffa2957ddd9a4fc"
    )
    assert family.num_train_classes == 4400
    episode = family.build(family.sample(DRAW, 0, 32, 1, 5))
    assert episode.query_inputs.shape == (32, 25, 28, 28, 1)
    assert 0.07 < episode.query_inputs.mean() < 0.1


def test_classes_of_one_name_in_train_and_test_folders_are_told(make, tmp_path):
    here = {
        f"{folder}/{name}": content
        for folder in ("train", "test")
        for name, content in members(10, 6).items()
    }
    path = write_zip(tmp_path / "b.zip", here)
    notes = make(path=str(path)).notes()
    expected = "10 class names, such as 'c00', occur in each of the folders test and train"
    assert sum(note.startswith(expected) for note in notes) == 1
    assert not any("alike" in note for note in make().notes())
