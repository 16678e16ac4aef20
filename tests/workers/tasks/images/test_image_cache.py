import hashlib
import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_images import members, omniglot, picture, png, write_parquet, write_zip

from workers.settings.images_task import ImagesTask
from workers.tasks.images import image_cache
from workers.tasks.images.image_cache import decode, open_cache
from workers.tasks.images.image_sources import find_files
from workers.wire.errors import DataError


@pytest.fixture
def source(tmp_path):
    """A zip of 3 classes of 4 images of 8 x 8."""
    return write_zip(tmp_path / "a.zip", members(3, 4))


def settings(tmp_path, **changes):
    return ImagesTask(**{"cache": str(tmp_path / "cache"), "image_size": 8, **changes})


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
    mine = open_cache([source], settings(tmp_path))
    theirs = open_cache([write_zip(tmp_path / "b.zip", members(3, 5))], settings(tmp_path))
    pixels, content = mine.pixels.copy(), mine.file.read_bytes()
    os.replace(theirs.file, mine.file)
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


def test_a_file_is_hashed_once_in_a_process_and_again_when_it_was_written_anew(
    tmp_path, source, monkeypatch
):
    hashed = []
    digest = image_cache._digest
    monkeypatch.setattr(image_cache, "_digest", lambda *given: hashed.append(1) or digest(*given))
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


def test_an_image_is_resized_with_lanczos_unless_it_has_the_size():
    pixels = picture(0, 0)
    np.testing.assert_array_equal(decode(png(pixels), "", 8, 1)[..., 0], pixels)
    smaller = Image.fromarray(pixels).resize((5, 5), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(decode(png(pixels), "", 5, 1)[..., 0], np.asarray(smaller))


def test_grey_and_colour_are_converted():
    colour = np.zeros((4, 4, 3), np.uint8)
    colour[..., 0] = 255
    assert decode(png(colour), "", 4, 3).tolist() == colour.tolist()
    assert set(decode(png(colour), "", 4, 1).ravel().tolist()) == {76}
    assert decode(png(picture(0, 0)), "", 8, 3).shape == (8, 8, 3)


def test_one_bit_images_become_0_and_255():
    stream = io.BytesIO()
    Image.fromarray(np.eye(4, dtype=bool)).save(stream, "png")
    assert decode(stream.getvalue(), "", 4, 1)[..., 0].tolist() == (np.eye(4) * 255).tolist()


def test_inverted_pixels_are_255_minus_pixels(tmp_path, source):
    plain = open_cache([source], settings(tmp_path))
    inverted = open_cache([source], settings(tmp_path, invert=True))
    np.testing.assert_array_equal(inverted.pixels, 255 - plain.pixels)


OMNIGLOT = {"image_size": 105, "invert": True}
LABELS = ("alphabet", "character")


@pytest.mark.slow
def test_omniglots_zips_and_parquet_file_give_the_same_pixels_and_classes(tmp_path):
    """Of an alphabet of each zip, as the files are named and drawn; all of it is counted below."""
    some, common = ["Braille", "Angelic"], {"cache": str(tmp_path / "cache"), **OMNIGLOT}
    for name in ("images_background.zip", "images_evaluation.zip"):
        whole, part = zipfile.ZipFile(omniglot() / name), zipfile.ZipFile(tmp_path / name, "w")
        with whole, part:
            for member in whole.namelist():
                if set(member.split("/")) & set(some):
                    part.writestr(member, whole.read(member))
    table = pq.read_table(omniglot() / "omniglot.parquet", filters=[("alphabet", "in", some)])
    pq.write_table(table, tmp_path / "omniglot.parquet")
    zips = open_cache(find_files(str(tmp_path)), ImagesTask(**common))
    table = open_cache([tmp_path / "omniglot.parquet"], ImagesTask(**common, label_column=LABELS))
    assert len(zips.pixels) == 20 * (26 + 20)
    assert zips.class_names == table.class_names
    assert zips.digest == table.digest
    assert np.array_equal(zips.pixels, table.pixels)


@pytest.mark.slow
def test_omniglot_has_the_known_images(tmp_path):
    cache = open_cache(find_files(str(omniglot())), ImagesTask(cache=str(tmp_path), **OMNIGLOT))
    assert cache.pixels.shape == (32460, 105, 105, 1)
    assert len(cache.class_names) == 1623
    assert set(np.diff(cache.offsets).tolist()) == {20}
    ink = (cache.pixels == 255).sum(axis=(1, 2, 3))
    assert ink.sum() == 28814268
    assert ((cache.pixels == 0).sum(axis=(1, 2, 3)) == 105 * 105 - ink).all()
    assert (ink.min(), ink.max()) == (25, 2441)

    def first(class_name, example):
        return cache.offsets[cache.class_names.index(class_name)] + example

    assert ink.argmin() == first("Braille/character01", 2)
    assert ink.argmax() == first("N_Ko/character18", 16)
    for image, expected in [
        (
            first("Alphabet_of_the_Magi/character01", 0),
            "d40816dbfe2fa1c56fbabca02d83415de72542940f3659c97ffacfe18bfa1c68",
        ),
        (
            first("Angelic/character01", 0),
            "6638b56dc7aa97f7471cf202743809c482789390c89dff9ecc4ad8a9e9890b6e",
        ),
    ]:
        drawing = (cache.pixels[image] == 255).astype(np.uint8)
        assert hashlib.sha256(drawing.tobytes()).hexdigest() == expected
    assert os.path.getsize(cache.file) < cache.pixels.nbytes * 1.001
