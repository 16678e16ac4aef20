import json

import numpy as np
import pytest
from small_images import members, picture, png, write_zip

from workers.settings.images_task import ImagesTask
from workers.tasks.copies import Copies, choose_apart, content_ids, once_each
from workers.tasks.images.family import ImagesFamily
from workers.wire.errors import DataError
from workers.wire.protocol import Draw

DRAW = Draw(seed=3, split="train", step=7)


@pytest.mark.parametrize("width", [1, 3, 64, 65, 784])
@pytest.mark.parametrize("kind", [np.uint8, np.float32])
def test_an_example_has_the_number_of_the_first_with_its_content(width, kind):
    examples = np.random.default_rng(0).integers(0, 256, (6, width)).astype(kind)
    examples[:, 0] = np.arange(6)
    examples[[3, 5]] = examples[1]
    examples[4] = examples[0]
    assert content_ids(examples).tolist() == [0, 1, 2, 1, 0, 1]


def test_no_examples_have_no_contents():
    assert content_ids(np.zeros((0, 4), np.uint8)).tolist() == []


def test_each_content_is_taken_once_where_it_is_first():
    ids = np.array([0, 1, 0, 3, 1])
    rows = np.array([4, 1, 3, 2, 0], np.int32)
    assert once_each(ids, rows).tolist() == [4, 3, 2]


def test_what_is_chosen_apart_has_no_content_twice_in_all_parts():
    rng = np.random.default_rng(0)
    parts = [np.array([1, 1, 2, 3, 3]), np.array([3, 4, 5, 6, 1, 1])]
    for _ in range(50):
        chosen = choose_apart(rng, parts, [3] * len(parts))
        contents = [parts[i][places].tolist() for i, places in enumerate(chosen)]
        assert sorted(contents[0]) == [1, 2, 3]
        assert sorted(contents[1]) == [4, 5, 6]
    assert choose_apart(rng, parts, [4] * len(parts)) is None


def test_copies_are_counted_within_and_across_classes_and_splits():
    ids = np.array([0, 1, 0, 0, 1, 5, 5])
    rows = [np.array(each, np.int32) for each in ([0, 1, 2], [3, 4], [5, 6])]
    splits = {"train": np.array([0, 2]), "test": np.array([1])}
    copies = Copies.count(ids, rows, ["a", "b", "c"], splits)
    assert copies == Copies(repeats=2, shared=2, split=2, pairs=["'a' and 'b'"])
    assert copies.notes("image", "class", "classes") == [
        "2 images are copies of another of the same class: each counts once, and none is in "
        "support and query of one task",
        "2 images are in several classes (2 in several splits): in 'a' and 'b'",
    ]
    assert Copies(1, 1, 0, ["'a' and 'b'"]).notes("row", "task", "tasks") == [
        "1 row is a copy of another of the same task: each counts once, and none is in support "
        "and query of one task",
        "1 row is in several tasks: in 'a' and 'b'",
    ]
    assert Copies(0, 0, 0, []).notes("row", "task", "tasks") == []


def family(tmp_path, contents, **changes):
    source = write_zip(tmp_path / "a.zip", contents)
    common = {"path": str(source), "cache": str(tmp_path / "cache"), "image_size": 8, "ways": 3}
    return ImagesFamily(ImagesTask(**{**common, **changes}))


def doubled(num_classes=12, examples=6):
    """Every image twice, by other names and in other files."""
    plain = members(num_classes, examples)
    return plain | {name.replace("/", "/copy"): content for name, content in plain.items()}


def contents_of(episode):
    """For each task, the contents of its support and of its query set."""
    return [
        [{image.tobytes() for image in images} for images in (support, query)]
        for support, query in zip(episode.support_inputs, episode.query_inputs, strict=True)
    ]


@pytest.mark.parametrize("rotations", ["none", "all"])
def test_an_image_that_is_stored_twice_is_never_in_support_and_query_of_a_task(tmp_path, rotations):
    made = family(tmp_path, doubled(), rotations=rotations)
    specs = made.sample(DRAW, 0, 200, 2, 3)
    for support, query in contents_of(made.build(specs)):
        assert not support & query


def test_the_tasks_are_the_same_whatever_part_of_them_is_drawn(tmp_path):
    made = family(tmp_path, doubled())
    whole, part = made.sample(DRAW, 0, 30, 2, 3), made.sample(DRAW, 11, 19, 2, 3)
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][11:19])


def test_a_draw_that_is_free_of_copies_is_what_it_was(tmp_path):
    """One pair among all images: a task without both of them is as it would be without a copy."""
    plain = members(12, 6)
    copied = plain | {"c00/05.png": plain["c00/04.png"]}
    one, other = (
        family(tmp_path / name, contents).sample(DRAW, 0, 300, 1, 3)
        for name, contents in (("one", plain), ("other", copied))
        if (tmp_path / name).mkdir() is None
    )
    differing = [
        task
        for task in range(300)
        if any((one[name][task] != other[name][task]).any() for name in one)
    ]
    assert 0 < len(differing) < 30
    for task in differing:
        way = one["classes"][task].tolist().index(0)
        drawn = [one[f"{side}_examples"][task, way].tolist() for side in ("support", "query")]
        assert {4, 5} & set(drawn[0])
        assert {4, 5} & set(drawn[1])


def test_a_class_is_as_large_as_it_has_different_images(tmp_path):
    with pytest.raises(DataError, match=r"need 7 images of a class; .*'c00' \(6\)"):
        family(tmp_path, doubled(), shots=3, queries=4)


def test_an_image_of_two_classes_is_never_in_support_and_query_of_a_task(tmp_path):
    contents = members(12, 6)
    for shared in range(4):  # of each class with the next
        for index in range(12):
            name = f"c{(index + 1) % 12:02}/s{shared}.png"
            contents[name] = png(picture(index, shared))
    made = family(tmp_path, contents)
    for split in ("train", "validation", "test"):
        specs = made.sample(Draw(0, split, 0), 0, 100, 1, 2)
        for support, query in contents_of(made.build(specs)):
            assert not support & query
    assert "48 images are in several classes" in made.notes()[0]


def test_a_class_that_is_there_under_two_names_is_not_on_both_sides_of_a_task(tmp_path):
    plain = members(12, 6)
    twin = {name.replace("c00", "twin"): each for name, each in plain.items() if "c00" in name}
    listed = tmp_path / "split.json"
    names = [f"c{i:02}" for i in range(12)]
    splits = {"train": ["twin", *names[:6]], "validation": names[6:9], "test": names[9:]}
    listed.write_text(json.dumps(splits))
    made = family(tmp_path, plain | twin, split_file=str(listed), shots=2, queries=3)
    specs = made.sample(DRAW, 0, 200, 2, 3)
    for support, query in contents_of(made.build(specs)):
        assert not support & query
    listed.write_text(json.dumps({**splits, "train": ["twin", *names[:2]]}))
    made = family(tmp_path, plain | twin, split_file=str(listed), shots=2, queries=3)
    with pytest.raises(DataError, match=r"share so .* 'c00' and 'twin'; leave out one of"):
        made.sample(DRAW, 0, 200, 2, 3)


def test_small_classes_are_left_out_if_so_and_named(tmp_path):
    contents = members(12, 6) | members(2, 1, top="small", first=20)
    with pytest.raises(DataError, match=r"there are 2 classes \('smallc20' \(1\), .*\) with"):
        family(tmp_path, contents)
    made = family(tmp_path, contents, small_classes="leave_out")
    assert made.num_train_classes + 3 + 3 == 12
    assert made.notes() == [
        "there are 2 classes ('smallc20' (1), 'smallc21' (1)) with fewer than 2 different images: "
        "left out (task.small_classes)"
    ]
    assert not {12, 13} & set(made.sample(DRAW, 0, 100, 1, 1)["classes"].ravel().tolist())


def test_a_split_file_may_list_classes_that_are_too_small(tmp_path):
    names = [f"c{i:02}" for i in range(9)]
    listed = tmp_path / "split.json"
    splits = (
        f'{{"train": {["smallc00", *names[:3]]}, "validation": {names[3:6]}, "test": {names[6:]}}}'
    )
    listed.write_text(splits.replace("'", '"'))
    contents = members(9, 3) | members(1, 1, top="small")
    made = family(tmp_path, contents, split_file=str(listed), small_classes="leave_out")
    assert made.num_train_classes == 3


def test_files_that_are_passed_over_are_counted_by_their_suffix(tmp_path):
    others = {"c00/a.heic": b"", "c01/b.HEIC": b"", "c01/list.txt": b"", "c01/plain": b""}
    hidden = {"c00/.x.heic": b"", "__MACOSX/c00/a.heic": b"", "c00/Thumbs.db": b""}
    made = family(tmp_path, members(12, 6) | others | hidden)
    assert made.notes() == [
        "4 files are skipped, not named like images: 2 .heic, 1 .txt, 1 without a suffix; "
        "convert .heic to .png or .jpg"
    ]
