"""The cache of decoded images: its content, its name, and who may build it."""

from pathlib import Path

import numpy as np
import pytest
from small_image_caches import settings, small_zip
from small_images import members, picture, png, write_parquet, write_zip

from workers.tasks.images import image_cache
from workers.tasks.images.image_cache import open_cache
from workers.wire.errors import DataError


@pytest.fixture
def source(tmp_path):
    """A zip of 3 classes of 4 images of 8 x 8."""
    return small_zip(tmp_path)


def test_the_pixels_are_those_of_the_files_class_by_class(tmp_path, source):
    cache = open_cache([source], settings(tmp_path))
    assert cache.class_names == ("c00", "c01", "c02")
    assert cache.offsets.tolist() == [0, 4, 8, 12]
    expected = [picture(index, example) for index in range(3) for example in range(4)]
    np.testing.assert_array_equal(cache.pixels, np.stack(expected)[..., None])


def test_classes_of_several_files_are_joined_and_sorted(tmp_path):
    files = [
        write_zip(tmp_path / "a.zip", members(2, 1, first=1)),
        write_zip(tmp_path / "b.zip", members(2, 2, first=0)),
    ]
    cache = open_cache(files, settings(tmp_path))
    assert cache.class_names == ("c00", "c01", "c02")
    assert cache.offsets.tolist() == [0, 2, 5, 6]
    assert cache.pixels[:, 0, 0, 0].tolist() == [0, 0, 1, 1, 1, 2]


def test_a_zip_and_a_shuffled_parquet_file_give_the_same_classes(tmp_path, source):
    contents = members(3, 4)
    names = sorted(contents, key=lambda name: (name[-6:], name))
    table = write_parquet(
        tmp_path / "a.parquet",
        image=[contents[name] for name in names],
        label=[name.split("/")[0] for name in names],
    )
    from_zip = open_cache([source], settings(tmp_path))
    from_table = open_cache([table], settings(tmp_path))
    assert from_zip.file != from_table.file
    assert from_zip.digest == from_table.digest
    np.testing.assert_array_equal(from_zip.pixels, from_table.pixels)


def test_the_pixels_are_read_only_and_mapped_from_one_file(tmp_path, source):
    one, other = (open_cache([source], settings(tmp_path)) for _ in range(2))
    assert one.file == other.file
    assert not one.pixels.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        one.pixels[0] = 0
    for cache in (one, other):
        assert _mapped_file(cache.pixels) == str(cache.file)


def _mapped_file(pixels):
    """The file that the memory of `pixels` is mapped from."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        bounds, *_, name = line.split()
        start, end = (int(bound, 16) for bound in bounds.split("-"))
        if start <= pixels.ctypes.data < end:
            return name
    return None


def test_images_are_decoded_once(tmp_path, source):
    calls = []
    for _ in range(2):
        open_cache([source], settings(tmp_path), lambda *call: calls.append(call))
    assert calls == [(12, 12)]


def test_progress_is_told_on_the_way(tmp_path):
    source = write_zip(tmp_path / "a.zip", members(10, 25))
    calls = []
    open_cache([source], settings(tmp_path), lambda *call: calls.append(call))
    assert calls == [(100, 250), (200, 250), (250, 250)]


def test_a_file_is_hashed_once_in_a_process_and_again_when_it_was_written_anew(
    tmp_path, source, monkeypatch
):
    hashed = []
    digest = image_cache._digest
    monkeypatch.setattr(image_cache, "_digest", lambda *args: hashed.append(1) or digest(*args))
    file = open_cache([source], settings(tmp_path)).file
    assert len(hashed) == 2  # written, then read
    open_cache([source], settings(tmp_path))
    assert len(hashed) == 2
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content)
    open_cache([source], settings(tmp_path))
    assert len(hashed) == 3


def test_another_setting_or_source_has_a_cache_of_its_own(tmp_path, source):
    other = write_zip(tmp_path / "b.zip", members(3, 5))
    changes = [{}, {"image_size": 9}, {"channels": 3}, {"invert": True}, {"label_column": "x"}]
    files = {open_cache([source], settings(tmp_path, **change)).file for change in changes}
    files.add(open_cache([other], settings(tmp_path)).file)
    assert len(files) == 6
    assert set((tmp_path / "cache").iterdir()) == files


def test_the_digest_tells_pixels_names_and_counts_apart(tmp_path):
    image, other = png(picture(0, 0)), png(picture(0, 1))
    contents = [
        {"a/1.png": image, "a/2.png": image, "b/1.png": image},
        {"a/1.png": image, "b/1.png": image, "b/2.png": image},
        {"a/1.png": image, "a/2.png": image, "c/1.png": image},
        {"a/1.png": image, "a/2.png": image, "b/1.png": other},
    ]
    files = [write_zip(tmp_path / f"{i}.zip", content) for i, content in enumerate(contents)]
    digests = {open_cache([file], settings(tmp_path)).digest for file in files}
    assert len(digests) == 4


def test_two_that_build_at_once_are_both_right(tmp_path, source):
    inner, inodes = [], []

    def build_inside(done, total):
        inner.append(open_cache([source], settings(tmp_path)))
        inodes.append(inner[0].file.stat().st_ino)

    outer = open_cache([source], settings(tmp_path), build_inside)
    np.testing.assert_array_equal(outer.pixels, inner[0].pixels)
    assert outer.digest == inner[0].digest
    # A file written in place would change below those that have it mapped.
    assert outer.file.stat().st_ino != inodes[0]
    assert list((tmp_path / "cache").iterdir()) == [outer.file]


@pytest.mark.parametrize("kind", ["zip", "parquet"])
def test_a_corrupt_image_is_named_and_nothing_is_cached(tmp_path, kind):
    contents = members(2, 2)
    contents["c01/00.png"] = contents["c01/00.png"][:60]
    if kind == "zip":
        file, where = write_zip(tmp_path / "a.zip", contents), r"a\.zip: c01/00\.png: not an image"
    else:
        file = write_parquet(tmp_path / "a.parquet", image=list(contents.values()), label=[1] * 4)
        where = r"a\.parquet: row 2: not an image"
    with pytest.raises(DataError, match=where):
        open_cache([file], settings(tmp_path))
    assert not (tmp_path / "cache").exists()


def test_a_cache_folder_that_cannot_be_written_is_named(tmp_path, source):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"task\.cache: cannot write .*file/images-"):
        open_cache([source], settings(tmp_path, cache=str(tmp_path / "file")))


def test_a_build_that_cannot_be_renamed_leaves_nothing_behind(tmp_path, source):
    file = open_cache([source], settings(tmp_path)).file
    file.unlink()
    file.mkdir()
    with pytest.raises(DataError, match=r"task\.cache: cannot write .*\(Is a directory\)"):
        open_cache([source], settings(tmp_path))
    assert list((tmp_path / "cache").iterdir()) == [file]


def test_the_home_folder_is_understood(tmp_path, source, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_cache([source], settings(tmp_path, cache="~/x")).file.parent == tmp_path / "x"


def test_inverted_pixels_are_255_minus_pixels(tmp_path, source):
    plain = open_cache([source], settings(tmp_path))
    inverted = open_cache([source], settings(tmp_path, invert=True))
    np.testing.assert_array_equal(inverted.pixels, 255 - plain.pixels)
