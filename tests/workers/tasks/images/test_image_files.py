import hashlib
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from small_images import members, omniglot, write_parquet, write_zip

from workers.tasks.images.image_files import ParquetImages, ZipImages
from workers.wire.errors import DataError


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
    with pytest.raises(DataError, match=r"a\.zip: not a readable zip"):
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
    try:
        file = write_parquet(tmp_path / "a.parquet", image=pa.array([b"1"], kind), label=["c"])
    except pa.ArrowNotImplementedError:
        pytest.skip(f"this Arrow does not write a column of {kind}")
    assert list(ParquetImages(file, "image", ["label"]).images()) == [("a.parquet: row 0", b"1")]


def test_several_label_columns_are_joined(tmp_path):
    alphabets = pa.array(["Greek", "Latin"]).dictionary_encode()
    file = write_parquet(tmp_path / "a.parquet", x=[b"", b""], alphabet=alphabets, letter=[1, 2])
    assert ParquetImages(file, "x", ["alphabet", "letter"]).class_names == ["Greek/1", "Latin/2"]


@pytest.mark.parametrize(
    ("image", "label", "message"),
    [
        (
            "picture",
            "label",
            r"'picture' \(task\.image_column\); it has 'image', 'label', 'size', 'wrong'",
        ),
        (
            "image",
            "class",
            r"'class' \(task\.label_column\); it has 'image', 'label', 'size', 'wrong'",
        ),
        ("size", "label", r"'size' \(task\.image_column\) holds int64, not encoded images"),
        ("wrong", "label", r"'wrong' \(task\.image_column\) holds struct<.*>, not encoded images"),
    ],
)
def test_a_wrong_column_is_refused_naming_those_there_are(tmp_path, image, label, message):
    others = {"size": [3], "wrong": [{"pixels": b""}]}
    file = write_parquet(tmp_path / "a.parquet", image=[b""], label=["c"], **others)
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
    with pytest.raises(DataError, match=r"a\.parquet: not a readable Parquet file"):
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


def features(**columns):
    """The metadata that Hugging Face's datasets write into a schema."""
    described = {
        name: {"names": names, "_type": "ClassLabel"}
        if isinstance(names, list)
        else {"_type": names}
        for name, names in columns.items()
    }
    return {"huggingface": json.dumps({"info": {"features": described}})}


def hugging_face(file, images, labels, names):
    """A file as `Dataset.to_parquet` writes it: structs, and numbers whose names are elsewhere."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({"image": pa.array(images, kind), "label": pa.array(labels, pa.int64())})
    metadata = features(image="Image", label=names)
    pq.write_table(table.replace_schema_metadata(metadata), file)
    return file


def test_classes_that_are_numbers_have_the_names_in_the_schema(tmp_path):
    images = [{"bytes": b"1", "path": "x.png"}] * 3
    file = hugging_face(tmp_path / "a.parquet", images, [1, 0, 1], ["cat", "dog"])
    assert ParquetImages(file, "image", ["label"]).class_names == ["dog", "cat", "dog"]


@pytest.mark.parametrize("label", [-1, 2])
def test_a_class_without_a_name_is_told_by_its_row(tmp_path, label):
    images = [{"bytes": b"1", "path": "x.png"}] * 2
    file = hugging_face(tmp_path / "a.parquet", images, [0, label], ["cat", "dog"])
    with pytest.raises(DataError, match=rf"a\.parquet: row 1 has the class {label}, .* 2 classes"):
        ParquetImages(file, "image", ["label"])


@pytest.mark.parametrize("metadata", ["no JSON", "[]", '{"info": 3}', '{"info": {"features": []}}'])
def test_a_schema_that_says_nothing_of_classes_leaves_numbers(tmp_path, metadata):
    table = pa.table({"image": [b"1"], "label": [3]})
    pq.write_table(table.replace_schema_metadata({"huggingface": metadata}), tmp_path / "a.parquet")
    assert ParquetImages(tmp_path / "a.parquet", "image", ["label"]).class_names == ["3"]


@pytest.mark.parametrize("form", ["struct", "text", "dictionary", "absolute"])
def test_images_may_be_there_by_their_paths(tmp_path, form):
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "1.png").write_bytes(b"one")
    path = str(tmp_path / "x" / "1.png") if form == "absolute" else "x/1.png"
    file = tmp_path / "a.parquet"
    if form in ("struct", "absolute"):
        hugging_face(file, [{"bytes": None, "path": path}], [0], ["cat"])
    else:
        column = pa.array([path])
        column = column.dictionary_encode() if form == "dictionary" else column
        write_parquet(file, image=column, label=["cat"])
    source = ParquetImages(file, "image", ["label"])
    assert list(source.images()) == [
        (f"a.parquet: row 0: {tmp_path / 'x' / '1.png'}", b"one"),
    ]
    assert source.paths() == [tmp_path / "x" / "1.png"]


def test_a_missing_image_of_a_parquet_is_named_by_its_row_and_path(tmp_path):
    images = [{"bytes": b"1", "path": "gone.png"}, {"bytes": None, "path": "gone.png"}]
    file = hugging_face(tmp_path / "a.parquet", images, [0, 0], ["cat"])
    with pytest.raises(DataError, match=r"a\.parquet: row 1: .*gone\.png: cannot be read \(No"):
        list(ParquetImages(file, "image", ["label"]).images())
    hugging_face(file, [{"bytes": None, "path": None}], [0], ["cat"])
    with pytest.raises(DataError, match=r"a\.parquet: row 0: has no image"):
        list(ParquetImages(file, "image", ["label"]).images())
