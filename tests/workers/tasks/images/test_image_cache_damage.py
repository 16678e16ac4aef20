"""Caches that are damaged, or are no caches: each is built again."""

import io
import os

import numpy as np
import pyarrow as pa
import pytest
from small_image_caches import settings, small_zip
from small_images import members, picture, write_zip

from workers.tasks.images.image_cache import open_cache


@pytest.fixture
def source(tmp_path):
    """A zip of 3 classes of 4 images of 8 x 8."""
    return small_zip(tmp_path)


@pytest.mark.parametrize("kept", [0, 7, 600, -1, -200])
def test_a_truncated_cache_is_built_again(tmp_path, source, kept):
    whole = open_cache([source], settings(tmp_path)).file
    content = whole.read_bytes()
    whole.write_bytes(content[:kept])
    again = open_cache([source], settings(tmp_path))
    assert again.file == whole
    assert whole.read_bytes() == content
    np.testing.assert_array_equal(again.pixels[0, ..., 0], picture(0, 0))


def test_a_cache_whose_classes_exceed_its_images_is_built_again(tmp_path, source):
    file = open_cache([source], settings(tmp_path)).file
    content = file.read_bytes()
    bounds = np.array([0, 4, 8, 12], np.int64)
    damaged = content.replace(bounds.tobytes(), (bounds * 2).tobytes())
    assert damaged != content
    file.write_bytes(damaged)
    assert open_cache([source], settings(tmp_path)).offsets.tolist() == bounds.tolist()


def _flip_the_middle(content):
    """Bit 7 of each byte of the middle half: other pixels in a file that Arrow takes for whole."""
    lo, hi = len(content) // 4, 3 * len(content) // 4
    return content[:lo] + bytes(byte ^ 128 for byte in content[lo:hi]) + content[hi:]


DAMAGES = {
    "pixels": _flip_the_middle,
    "one bit of a pixel": lambda content: _put(content, content.index(b"c00c01c02") + 400, 1),
    "a class's name": lambda content: content.replace(b"c00c01c02", b"c00c07c02"),
    "a name that is no text": lambda content: content.replace(b"c00c01c02", b"c00\xff\xfe1c02"),
    "counts": lambda content: content.replace(
        np.array([0, 4, 8, 12], np.int64).tobytes(), np.array([0, 3, 8, 12], np.int64).tobytes()
    ),
    "the shape": lambda content: content.replace(b"[12,8,8,1]", b"[12,4,8,2]"),
    "the digest": lambda content: content.replace(b'"digest":"', b'"digest":"x', 1)[:-1],
    "what was done to the images": lambda content: content.replace(b'"images":12', b'"images":13'),
    "all zeros": lambda content: bytes(len(content)),
    "longer": lambda content: content + b"more",
    "another table": lambda content: _table({"class": ["c00"], "images": [[[1]]]}),
    "images of another type": lambda content: _table({"class": ["c00"], "images": [1.5]}),
    "no rows": lambda content: _table({"class": pa.array([], pa.string())}),
}


def _put(content, place, mask):
    return content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]


def _table(columns):
    stream, table = io.BytesIO(), pa.table(columns)
    with pa.ipc.new_file(stream, table.schema) as writer:
        writer.write_table(table.replace_schema_metadata({"metatrain": "{}"}))
    return stream.getvalue()


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_built_again(tmp_path, source, damage):
    whole = open_cache([source], settings(tmp_path))
    pixels, content = whole.pixels.copy(), whole.file.read_bytes()
    damaged = DAMAGES[damage](content)
    assert damaged != content
    whole.file.unlink()  # what is mapped already must not change
    whole.file.write_bytes(damaged)
    again = open_cache([source], settings(tmp_path))
    np.testing.assert_array_equal(again.pixels, pixels)
    assert again.class_names == ("c00", "c01", "c02")
    assert again.file.read_bytes() == content


def test_a_cache_of_other_images_is_built_again(tmp_path, source):
    """One that is whole, under the name of another: copied, or restored to the wrong place."""
    cache = open_cache([source], settings(tmp_path))
    other = open_cache([write_zip(tmp_path / "b.zip", members(3, 5))], settings(tmp_path))
    pixels, content = cache.pixels.copy(), cache.file.read_bytes()
    os.replace(other.file, cache.file)
    again = open_cache([source], settings(tmp_path))
    np.testing.assert_array_equal(again.pixels, pixels)
    assert again.file.read_bytes() == content


def test_any_damage_gives_the_same_images_or_is_built_again(tmp_path, source):
    whole = open_cache([source], settings(tmp_path))
    pixels, content = whole.pixels.copy(), whole.file.read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(200):
        damaged = bytearray(content)
        lo, length = rng.integers(len(content)), rng.choice([1, 4, 64, 500])
        damaged[lo : lo + length] = rng.bytes(len(damaged[lo : lo + length]))
        whole.file.unlink()
        whole.file.write_bytes(damaged)
        again = open_cache([source], settings(tmp_path))
        np.testing.assert_array_equal(again.pixels, pixels)
        assert again.digest == whole.digest


@pytest.mark.parametrize("kind", ["fifo", "link to nothing", "link to a damaged file"])
def test_what_is_no_cache_in_its_place_is_replaced(tmp_path, source, kind):
    file = open_cache([source], settings(tmp_path)).file
    content, other = file.read_bytes(), tmp_path / "other"
    file.unlink()
    if kind == "fifo":
        os.mkfifo(file)
    else:
        file.symlink_to(other)
    if kind == "link to a damaged file":
        other.write_bytes(_flip_the_middle(content))
    open_cache([source], settings(tmp_path))
    assert file.is_file()
    assert not file.is_symlink()
    assert file.read_bytes() == content
