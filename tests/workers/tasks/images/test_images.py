"""Tasks of images: what is drawn, and the arrays made of it."""

import numpy as np
import pytest
from small_image_families import DRAW, image_family_maker
from small_images import members, picture, write_zip

from workers.settings.images_task import ImagesTask
from workers.tasks.images.family import ImagesFamily
from workers.tasks.registry import make_family
from workers.wire.protocol import Draw, take


@pytest.fixture
def make(tmp_path):
    """A family over a zip of 20 classes of 6 images of 8 x 8: 13 / 3 / 4 classes."""
    return image_family_maker(tmp_path)


def pairs(specs):
    return list(
        zip(specs["classes"].ravel().tolist(), specs["turns"].ravel().tolist(), strict=True)
    )


def test_the_registry_makes_it(make, tmp_path):
    task = ImagesTask(path=str(tmp_path / "a.zip"), cache=str(tmp_path), ways=3, image_size=8)
    assert make_family(task).digest == make().digest


def test_the_same_task_for_the_same_seed_step_and_index(make):
    family = make(rotations="train")
    whole = family.sample(DRAW, 0, 10, 2, 3)
    part = family.sample(DRAW, 4, 7, 2, 3)
    for name, values in take(whole, 4, 7).items():
        np.testing.assert_array_equal(part[name], values)


@pytest.mark.parametrize("other", [Draw(4, "train", 7), Draw(3, "train", 8), Draw(3, "test", 7)])
def test_another_seed_step_or_split_is_another_task(make, other):
    family = make()
    one, two = (family.sample(draw, 0, 10, 1, 1)["support_examples"] for draw in (DRAW, other))
    assert (one != two).any()


def test_a_seeds_tasks_never_change(make):
    specs = make(rotations="train").sample(DRAW, 5, 6, 1, 2)
    assert {name: values.tolist() for name, values in specs.items()} == {
        "classes": [[1, 1, 5]],
        "turns": [[3, 1, 1]],
        "support_examples": [[[1], [0], [1]]],
        "query_examples": [[[3, 2], [2, 5], [5, 2]]],
    }


def test_specs_are_small_integers_with_a_leading_task_axis(make):
    specs = make().sample(DRAW, 0, 5, 2, 3)
    assert {name: (values.shape, str(values.dtype)) for name, values in specs.items()} == {
        "classes": ((5, 3), "int32"),
        "turns": ((5, 3), "int8"),
        "support_examples": ((5, 3, 2), "int32"),
        "query_examples": ((5, 3, 3), "int32"),
    }


def test_no_tasks_are_no_tasks(make):
    family = make()
    episode = family.build(family.sample(DRAW, 2, 2, 1, 1), global_labels=True)
    assert episode.support_inputs.shape == (0, 3, 8, 8, 1)


def test_support_and_query_share_no_image(make):
    specs = make().sample(DRAW, 0, 50, 2, 4)
    both = np.concatenate([specs["support_examples"], specs["query_examples"]], axis=-1)
    assert (np.sort(both, axis=-1) == np.arange(6)).all()


@pytest.mark.parametrize("rotations", ["none", "train", "all"])
def test_a_task_never_holds_a_class_twice(make, rotations):
    family = make(rotations=rotations)
    specs = family.sample(DRAW, 0, 100, 1, 1)
    for task in range(100):
        assert len(set(pairs(take(specs, task, task + 1)))) == 3


def test_every_class_is_drawn_about_equally_often(make):
    specs = make(rotations="train").sample(DRAW, 0, 2000, 1, 1)
    drawn = pairs(specs)
    counts = [drawn.count(pair) for pair in set(drawn)]
    assert len(counts) == 13 * 4
    expected = 6000 / 52
    assert max(abs(count - expected) for count in counts) < 5 * expected**0.5


@pytest.mark.parametrize("rotations", ["none", "train", "all"])
def test_tasks_of_different_splits_never_share_a_base_class(make, rotations):
    family = make(rotations=rotations)
    drawn = {
        split: set(family.sample(Draw(0, split, 0), 0, 200, 1, 1)["classes"].ravel().tolist())
        for split in ("train", "validation", "test")
    }
    assert [len(classes) for classes in drawn.values()] == [13, 3, 4]
    assert len(set.union(*drawn.values())) == 20


@pytest.mark.parametrize(
    ("rotations", "turned"),
    [("none", []), ("train", ["train"]), ("all", ["train", "validation", "test"])],
)
def test_only_the_splits_asked_for_are_rotated(make, rotations, turned):
    family = make(rotations=rotations)
    for split in ("train", "validation", "test"):
        turns = set(family.sample(Draw(0, split, 0), 0, 100, 1, 1)["turns"].ravel().tolist())
        assert turns == ({0, 1, 2, 3} if split in turned else {0})
        assert family.protocol(split)["rotated"] == (split in turned)
    assert family.num_train_classes == 13 * (4 if turned else 1)


def test_images_are_those_of_the_spec_turned_and_scaled(make):
    family = make(rotations="train")
    specs = family.sample(DRAW, 0, 20, 2, 3)
    episode = family.build(specs)
    assert set(specs["turns"].ravel().tolist()) == {0, 1, 2, 3}
    for inputs, examples in [
        (episode.support_inputs, specs["support_examples"]),
        (episode.query_inputs, specs["query_examples"]),
    ]:
        assert inputs.dtype == np.float32
        expected = [
            np.rot90(picture(index, example), turn)[..., None]
            for index, turn, row in zip(
                specs["classes"].ravel(),
                specs["turns"].ravel(),
                examples.reshape(60, -1),
                strict=True,
            )
            for example in row
        ]
        scaled = np.stack(expected).astype(np.float32) / 255
        np.testing.assert_array_equal(inputs.reshape(scaled.shape), scaled)
    assert (episode.query_inputs.min(), episode.query_inputs.max()) == (0, 1)


def test_names_say_how_far_a_class_is_turned(make):
    specs = {"classes": np.array([[0, 1, 2, 3]]), "turns": np.array([[0, 1, 2, 3]], np.int8)}
    name = "c00, c01, turned by 90°, c02, turned by 180°, c03, turned by 270°"
    assert make().names(specs) == [name]


def test_targets_are_positions_in_the_task_class_by_class(make):
    family = make()
    episode = family.build(family.sample(DRAW, 0, 2, 2, 3))
    assert episode.support_targets.dtype == episode.query_targets.dtype == np.int32
    assert episode.support_targets.tolist() == [[0, 0, 1, 1, 2, 2]] * 2
    assert episode.query_targets.tolist() == [[0, 0, 0, 1, 1, 1, 2, 2, 2]] * 2


@pytest.mark.parametrize("rotations", ["none", "train"])
def test_global_targets_name_each_training_class_once(make, rotations):
    family = make(rotations=rotations)
    specs = family.sample(DRAW, 0, 500, 1, 2)
    episode = family.build(specs, global_labels=True)
    assert episode.query_targets.dtype == np.int32
    np.testing.assert_array_equal(episode.query_targets[:, ::2], episode.support_targets)
    label_of = dict(zip(pairs(specs), episode.support_targets.ravel().tolist(), strict=True))
    assert all(
        label_of[pair] == label
        for pair, label in zip(pairs(specs), episode.support_targets.ravel(), strict=True)
    )
    assert sorted(label_of.values()) == list(range(family.num_train_classes))


def test_global_targets_of_another_split_are_refused(make):
    family = make()
    with pytest.raises(AssertionError, match="training split"):
        family.build(family.sample(Draw(0, "test", 0), 0, 1, 1, 1), global_labels=True)


def test_shapes_are_as_declared(make):
    family = make(channels=3, image_size=5)
    assert family.input_shape == (5, 5, 3)
    assert (family.num_outputs, family.num_train_classes) == (3, 13)
    episode = family.build(family.sample(DRAW, 0, 2, 1, 2))
    assert episode.support_inputs.shape == (2, 3, 5, 5, 3)
    assert episode.query_inputs.shape == (2, 6, 5, 5, 3)


def test_classes_of_different_sizes_are_drawn_from_whole(tmp_path):
    contents = {**members(10, 3), **members(10, 5, first=10)}
    source = write_zip(tmp_path / "a.zip", contents)
    task = ImagesTask(path=str(source), cache=str(tmp_path), image_size=8, ways=2)
    family = ImagesFamily(task)
    specs = family.sample(DRAW, 0, 500, 1, 1)
    for small, most in ((True, 2), (False, 4)):
        assert specs["query_examples"][(specs["classes"] < 10) == small].max() == most
    episode = family.build(specs)
    shown = np.round(episode.query_inputs[:, :, 0, :2, 0] * 255)
    np.testing.assert_array_equal(shown[..., 0], specs["classes"])
    np.testing.assert_array_equal(shown[..., 1], specs["query_examples"][..., 0])
