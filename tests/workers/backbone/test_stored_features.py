"""Tasks of stored features are the raw tasks through the backbone, bit for bit."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import small_backbones
from small_images import members, write_zip
from small_texts import rows_of, write

from workers.backbone.backbone import Backbone
from workers.models.mlp import MlpModel
from workers.settings.images_task import ImagesTask
from workers.settings.text_tasks import TextTask
from workers.tasks.family import digests_of, raw_family
from workers.tasks.registry import make_family
from workers.tasks.user_tasks import user_task_shapes
from workers.wire.errors import DataError
from workers.wire.protocol import Draw

FAKES = str(Path(small_backbones.__file__).parent)


def with_backbone(name, **options):
    return MlpModel(backbone=f"small_backbones:{name}", folder=FAKES, **options)


@pytest.fixture(scope="module")
def image_zip(tmp_path_factory):
    return write_zip(tmp_path_factory.mktemp("images") / "a.zip", members(num_classes=9))


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return write(tmp_path_factory.mktemp("texts") / "a.csv", rows_of())


def images_task(image_zip, cache, **options):
    options = {"ways": 3, "shots": 2, "queries": 2, "image_size": 16} | options
    return ImagesTask(path=str(image_zip), cache=str(cache), **options)


def text_task(table, **options):
    return TextTask(path=str(table), ways=3, shots=2, queries=2, tokens="words", **options)


def expected_of(family, specs, backbone, make_inputs=None):
    """The raw episode through the backbone."""
    episode = raw_family(family).build(specs)

    def features(inputs):
        flat = inputs.reshape(-1, *raw_family(family).input_shape)
        return backbone.features(flat).reshape(*inputs.shape[:2], -1)

    return episode._replace(
        support_inputs=features(episode.support_inputs),
        query_inputs=features(episode.query_inputs),
    )


@pytest.mark.parametrize("rotations", ["none", "train", "all"])
@pytest.mark.parametrize("sizes", [(2, 2), ((1, 3), (1, 2))], ids=["fixed", "ranges"])
def test_features_of_images_are_those_of_the_backbone(rotations, sizes, image_zip, cache):
    shots, queries = sizes
    task = images_task(image_zip, cache, rotations=rotations, shots=shots, queries=queries)
    model = with_backbone("images")
    family = make_family(task, model)
    assert (family.input_shape, family.num_tokens, family.num_outputs) == ((6,), None, 3)
    backbone = Backbone(model, (16, 16, 1))
    for split in ("train", "test"):
        specs = family.sample(Draw(0, split, 0), 0, 5, shots, queries)
        built, expected = family.build(specs), expected_of(family, specs, backbone)
        for array, other in zip(built, expected, strict=True):
            np.testing.assert_array_equal(array, other)
            assert array.dtype == other.dtype
    if rotations == "all":
        assert len({bytes(each) for each in specs["turns"]}) > 1


def test_global_labels_are_those_of_the_raw_tasks(image_zip, cache):
    family = make_family(images_task(image_zip, cache), with_backbone("images"))
    specs = family.sample(Draw(0, "train", 0), 0, 2, 2, 2)
    raw = raw_family(family).build(specs, global_labels=True)
    built = family.build(specs, global_labels=True)
    np.testing.assert_array_equal(built.query_targets, raw.query_targets)
    assert family.num_train_classes == raw_family(family).num_train_classes


def test_features_of_texts_are_those_of_their_tokens(table, tmp_path):
    model = with_backbone("ids", backbone_cache=str(tmp_path))
    family = make_family(text_task(table), model)
    assert raw_family(family).input_shape == (7,)
    specs = family.sample(Draw(0, "test", 0), 0, 4, 2, 2)
    expected = expected_of(family, specs, Backbone(model, (7,)))
    np.testing.assert_array_equal(family.build(specs).query_inputs, expected.query_inputs)
    assert "strings" not in family.preparation


def test_a_backbone_that_takes_strings_gets_the_texts(table, tmp_path):
    model = with_backbone("strings", backbone_cache=str(tmp_path))
    family = make_family(text_task(table), model)
    specs = family.sample(Draw(0, "test", 0), 0, 2, 2, 2)
    texts = [text for task in family.display_text(specs) for text in task.queries]
    expected = Backbone(model, (7,)).features(np.array(texts))
    np.testing.assert_array_equal(family.build(specs).query_inputs.reshape(-1, 5), expected)
    assert family.preparation["strings"] is True
    assert user_task_shapes(family).preparation["strings"] is True


def test_another_process_reads_what_one_has_written(image_zip, cache, monkeypatch):
    task, model = images_task(image_zip, cache), with_backbone("images")
    one = make_family(task, model)
    monkeypatch.setattr(Backbone, "features", None)  # which would fail
    other = make_family(task, model)
    assert digests_of(one) == digests_of(other)


def test_a_store_does_not_depend_on_the_split_and_so_serves_any(image_zip, tmp_path):
    for seed in (0, 1):
        task = images_task(image_zip, tmp_path, split_seed=seed)
        make_family(task, with_backbone("images"))
    assert len(list(tmp_path.glob("features-*"))) == 1


def test_each_content_preparation_and_backbone_has_a_store_of_its_own(image_zip, tmp_path):
    other = write_zip(tmp_path / "b.zip", members(num_classes=9, examples=5))
    file = small_backbones.saved(tmp_path / "other.keras", seed=8)
    opened = [
        make_family(images_task(image_zip, tmp_path), with_backbone("images")),
        make_family(images_task(other, tmp_path), with_backbone("images")),
        make_family(images_task(image_zip, tmp_path, invert=True), with_backbone("images")),
        make_family(images_task(image_zip, tmp_path, rotations="all"), with_backbone("images")),
        make_family(images_task(image_zip, tmp_path), MlpModel(backbone=str(file))),
    ]
    assert len(list(tmp_path.glob("features-*"))) == 5
    assert len({digests_of(family)["features"] for family in opened}) == 5


def test_what_adaptation_must_know_is_of_raw_examples(image_zip, cache):
    task = images_task(image_zip, cache)
    family = make_family(task, with_backbone("images"))
    assert user_task_shapes(family) == user_task_shapes(make_family(task))
    protocol = family.protocol("test")
    assert protocol["backbone"] == "small_backbones:images"
    assert (protocol["features"], protocol["classes"]) == (6, 3)


def test_the_first_example_whose_features_are_not_finite_is_named(tmp_path):
    black = members(num_classes=9)
    source = write_zip(tmp_path / "a.zip", black)
    message = r"features that are not finite, first of image 1 of the class 'c00'"
    with pytest.raises(DataError, match=message):
        make_family(images_task(source, tmp_path / "cache"), with_backbone("not_finite"))
    assert not list((tmp_path / "cache").glob("*features*"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("noisy", "gives other features each time that it sees an example"),
        ("strings", r"takes strings, but the tasks have examples of shape \(16, 16, 1\)"),
    ],
)
def test_what_cannot_be_stored_is_refused(name, message, image_zip, tmp_path):
    with pytest.raises(ValueError, match=message):
        make_family(images_task(image_zip, tmp_path), with_backbone(name))


def test_features_that_the_disk_has_no_room_for_are_not_computed(image_zip, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)._replace(free=54 * 6 * 4 - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
    monkeypatch.setattr(Backbone, "features", None)  # which would fail
    with pytest.raises(DataError, match=r"model.backbone_cache: the features take .* GB free; use"):
        make_family(images_task(image_zip, tmp_path), with_backbone("images"))


def test_progress_is_told_from_the_first_example_to_the_last(image_zip, tmp_path):
    calls = []
    task = images_task(image_zip, tmp_path, rotations="all")
    make_family(task, with_backbone("images"), embedding=lambda *call: calls.append(call))
    assert calls == [(0, 216), (64, 216), (128, 216), (192, 216), (216, 216)]
