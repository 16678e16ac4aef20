import hashlib

import pyarrow as pa
import pytest
from small_images import members, omniglot, write_parquet, write_zip

from workers.errors import DataError
from workers.tasks.image_files import ParquetImages, ZipImages


@pytest.mark.parametrize(
    ("member", "class_name"),
    [
        ("cat/1.png", "cat"),
        ("top/cat/1.png", "cat"),
        ("images_background/Greek/character01/1.png", "Greek/character01"),
    ],
)
def test_a_class_is_named_by_its_folders_below_the_single_top_folder(tmp_path, member, class_name):
    file = write_zip(tmp_path / "a.zip", {member: b""})
    assert ZipImages(file).class_names == [class_name]


def test_folders_that_differ_at_the_top_are_kept(tmp_path):
    file = write_zip(tmp_path / "a.zip", {"Greek/a/1.png": b"", "Latin/a/1.png": b""})
    assert ZipImages(file).class_names == ["Greek/a", "Latin/a"]


def test_members_come_by_name_whatever_their_order_in_the_zip(tmp_path):
    file = write_zip(tmp_path / "a.zip", {"d/1.png": b"3", "c/2.png": b"2", "c/1.JPG": b"1"})
    source = ZipImages(file)
    assert source.class_names == ["c", "c", "d"]
    assert list(source.images()) == [
        ("a.zip: c/1.JPG", b"1"),
        ("a.zip: c/2.png", b"2"),
        ("a.zip: d/1.png", b"3"),
    ]


def test_folders_hidden_members_and_other_files_are_passed_over(tmp_path):
    others = ("top/", "top/c/", "top/c/.x.png", "__MACOSX/top/c/1.png", "README.txt")
    file = write_zip(tmp_path / "a.zip", {**dict.fromkeys(others, b""), "top/c/1.png": b"1"})
    assert list(ZipImages(file).images()) == [("a.zip: top/c/1.png", b"1")]


def test_a_zip_that_is_none_is_refused(tmp_path):
    file = tmp_path / "a.zip"
    file.write_bytes(b"not a zip")
    with pytest.raises(DataError, match=r"a\.zip: not a zip"):
        ZipImages(file)


def test_a_zip_without_images_is_refused(tmp_path):
    with pytest.raises(DataError, match=r"a\.zip: holds no images"):
        ZipImages(write_zip(tmp_path / "a.zip", {"c/1.txt": b""}))


def test_an_image_outside_a_folder_is_named(tmp_path):
    file = write_zip(tmp_path / "a.zip", {"c/1.png": b"", "x.png": b""})
    with pytest.raises(DataError, match=r"a\.zip: x\.png is in no folder"):
        ZipImages(file)


def test_a_member_with_a_wrong_checksum_is_named(tmp_path):
    file = write_zip(tmp_path / "a.zip", {"c/1.png": b"first", "c/2.png": b"second"})
    file.write_bytes(file.read_bytes().replace(b"second", b"sekond"))
    with pytest.raises(DataError, match=r"a\.zip: c/2\.png: cannot be unpacked"):
        list(ZipImages(file).images())


def test_rows_come_in_order_and_count_from_0(tmp_path):
    file = write_parquet(tmp_path / "a.parquet", image=[b"1", b"2"], label=["d", "c"])
    source = ParquetImages(file, "image", ["label"])
    assert source.class_names == ["d", "c"]
    assert list(source.images()) == [("a.parquet: row 0", b"1"), ("a.parquet: row 1", b"2")]


def test_rows_count_on_over_batches(tmp_path):
    file = write_parquet(tmp_path / "a.parquet", image=[b""] * 600, label=["c"] * 600)
    *_, (where, _) = ParquetImages(file, "image", ["label"]).images()
    assert where == "a.parquet: row 599"


def test_structs_of_bytes_and_path_are_read(tmp_path):
    images = [{"bytes": b"1", "path": "1.png"}, {"bytes": b"2", "path": None}]
    file = write_parquet(tmp_path / "a.parquet", image=images, label=[3, 10])
    source = ParquetImages(file, "image", ["label"])
    assert source.class_names == ["3", "10"]
    assert [encoded for _, encoded in source.images()] == [b"1", b"2"]


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary_view()])
def test_any_kind_of_binary_column_is_read(tmp_path, kind):
    file = write_parquet(tmp_path / "a.parquet", image=pa.array([b"1"], kind), label=["c"])
    assert list(ParquetImages(file, "image", ["label"]).images()) == [("a.parquet: row 0", b"1")]


def test_several_label_columns_are_joined(tmp_path):
    alphabets = pa.array(["Greek", "Latin"]).dictionary_encode()
    file = write_parquet(tmp_path / "a.parquet", x=[b"", b""], alphabet=alphabets, letter=[1, 2])
    assert ParquetImages(file, "x", ["alphabet", "letter"]).class_names == ["Greek/1", "Latin/2"]


@pytest.mark.parametrize(
    ("image", "label", "message"),
    [
        ("picture", "label", r"'picture' \(task\.image_column\); it has image, label"),
        ("image", "class", r"'class' \(task\.label_column\); it has image, label"),
        ("label", "label", r"'label' \(task\.image_column\) holds string, not encoded images"),
    ],
)
def test_a_wrong_column_is_refused_naming_those_there_are(tmp_path, image, label, message):
    file = write_parquet(tmp_path / "a.parquet", image=[b""], label=["c"])
    with pytest.raises(DataError, match=message):
        ParquetImages(file, image, [label])


def test_a_row_without_a_label_or_an_image_is_named(tmp_path):
    file = write_parquet(tmp_path / "a.parquet", image=[b"", None], label=["c", "c"])
    with pytest.raises(DataError, match=r"a\.parquet: row 1: has no image"):
        list(ParquetImages(file, "image", ["label"]).images())
    images = [{"bytes": b""}, {"bytes": None}]
    file = write_parquet(tmp_path / "b.parquet", image=images, label=["c", "c"])
    with pytest.raises(DataError, match=r"b\.parquet: row 1: has no image"):
        list(ParquetImages(file, "image", ["label"]).images())
    file = write_parquet(tmp_path / "c.parquet", image=[b"", b""], label=["c", None])
    with pytest.raises(DataError, match=r"c\.parquet: row 1 has no 'label'"):
        ParquetImages(file, "image", ["label"])


def test_a_parquet_file_that_is_none_is_refused(tmp_path):
    file = write_zip(tmp_path / "a.parquet", members(1, 1))
    with pytest.raises(DataError, match=r"a\.parquet: not a Parquet file"):
        ParquetImages(file, "image", ["label"])


def test_a_parquet_file_without_rows_is_refused(tmp_path):
    file = write_parquet(
        tmp_path / "a.parquet", image=pa.array([], pa.binary()), label=pa.array([], pa.string())
    )
    with pytest.raises(DataError, match="needs one row"):
        ParquetImages(file, "image", ["label"])


def test_errors_are_one_line(tmp_path):
    file = write_parquet(tmp_path / "a.parquet", image=[[{"r": 1, "g": 2}]], label=["c"])
    with pytest.raises(DataError) as caught:
        ParquetImages(file, "image", ["label"])
    assert "\n" not in str(caught.value)


def test_omniglots_parquet_has_the_classes_of_the_zips_and_the_known_images():
    folder = omniglot()
    table = ParquetImages(folder / "omniglot.parquet", "image", ["alphabet", "character"])
    zips = [ZipImages(folder / f"images_{name}.zip") for name in ("background", "evaluation")]
    assert table.class_names == zips[0].class_names + zips[1].class_names
    hashes = {
        where: hashlib.sha256(encoded).hexdigest()
        for where, encoded in table.images()
        if where.endswith((" 0", " 32459"))
    }
    assert hashes == {
        "omniglot.parquet: row 0": (
            "188d839bd931a15c89f86e1bf685ecee6e9243195bcdb32d871611216c06d17d"
        ),
        "omniglot.parquet: row 32459": (
            "59035d02ac2378d2979d0de21c3d4550ef577e83e3a46f111498a09c78a44b4d"
        ),
    }
