import io
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from small_images import picture, png, write_folder, write_parquet, write_zip

from orchestrator.adaptation.readers.images import ImageReader
from orchestrator.adaptation.readers.reader import Columns
from workers.settings.images_task import ImagesTask
from workers.settings.user_task_shapes import UserTaskShapes
from workers.tasks.images.image_cache import open_cache
from workers.tasks.images.image_sources import find_files
from workers.wire.errors import DataError

PICTURES = {f"{name}/{i}.png": png(picture(c, i)) for c, name in enumerate("ab") for i in range(2)}


def reader(**settings):
    task = ImagesTask(**{"image_size": 8, **settings})
    shape = (task.image_size, task.image_size, task.channels)
    shapes = UserTaskShapes(loss="cross_entropy", input_shape=shape, num_outputs=3)
    return ImageReader(task, shapes)


def read(source, role="support", columns=Columns(), **settings):  # noqa: B008
    return reader(**settings).read(str(source), role, columns)


def coloured(seed=0, size=8):
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), np.uint8)


def test_a_folder_of_class_folders(tmp_path):
    examples = read(write_folder(tmp_path, PICTURES))
    assert examples.targets == ["a", "a", "b", "b"]
    assert examples.names == ["a/0.png", "a/1.png", "b/0.png", "b/1.png"]
    expected = np.stack([picture(c, i) for c in range(2) for i in range(2)])[..., None] / 255
    np.testing.assert_allclose(examples.inputs, expected.astype(np.float32), rtol=1e-6)
    assert examples.notes == []


def test_a_zip_holds_the_same(tmp_path):
    in_folder = read(write_folder(tmp_path / "folder", PICTURES))
    in_zip = read(write_zip(tmp_path / "a.zip", PICTURES))
    assert (in_zip.targets, in_zip.names) == (in_folder.targets, in_folder.names)
    np.testing.assert_array_equal(in_zip.inputs, in_folder.inputs)


def test_queries_may_be_a_folder_of_images_or_a_single_one(tmp_path):
    write_folder(tmp_path, {"1.png": png(picture(0, 1)), "0.png": png(picture(0, 0)), "x.txt": b""})
    examples = read(tmp_path, "query")
    assert (examples.names, examples.targets) == (["0.png", "1.png"], None)
    alone = read(tmp_path / "1.png", "query")
    assert (alone.names, alone.targets) == (["1.png"], None)
    np.testing.assert_array_equal(alone.inputs[0], examples.inputs[1])
    with pytest.raises(DataError, match="has no classes; give a folder for each class"):
        read(tmp_path, "support")


@pytest.mark.parametrize("kind", ["bytes", "struct", "paths"])
def test_a_table_with_an_image_column(tmp_path, kind):
    write_folder(tmp_path, PICTURES)
    images = {
        "bytes": list(PICTURES.values()),
        "struct": [{"bytes": content, "path": None} for content in PICTURES.values()],
        "paths": list(PICTURES),
    }[kind]
    labels = [name[0] for name in PICTURES]
    file = write_parquet(tmp_path / "a.parquet", image=images, label=labels, who=["x", "y"] * 2)
    examples = read(file, columns=Columns(task="who"))
    assert (examples.targets, examples.tasks) == (["a", "a", "b", "b"], ["x", "y", "x", "y"])
    expected = np.stack([picture(c, i) for c in range(2) for i in range(2)])
    np.testing.assert_allclose(examples.inputs[..., 0] * 255, expected, rtol=1e-5)
    unlabelled = write_parquet(tmp_path / "q.parquet", image=images)
    assert read(unlabelled, "query").targets is None
    np.testing.assert_array_equal(read(unlabelled, "query").inputs, examples.inputs)


def test_a_csv_names_files_beside_it_and_keeps_classes_as_they_are_written(tmp_path):
    write_folder(tmp_path, PICTURES)
    (tmp_path / "a.csv").write_text("photo,breed\na/0.png,007\nb/1.png,12\n")
    examples = read(tmp_path / "a.csv", columns=Columns(("photo",), "breed"))
    assert examples.targets == ["007", "12"]
    np.testing.assert_allclose(examples.inputs[1, ..., 0] * 255, picture(1, 1), rtol=1e-5)


def test_a_query_table_needs_no_column_of_classes_whatever_the_supports_is_called(tmp_path):
    write_folder(tmp_path, PICTURES)
    support, query = text(tmp_path, "s.csv", "image,who\na/0.png,x\n"), tmp_path / "q.csv"
    query.write_text("image\nb/0.png\n")
    named = Columns(target="who")
    assert (read(support, columns=named).targets, read(query, "query", named).targets) == (
        ["x"],
        None,
    )


def test_classes_are_in_label_where_the_runs_own_columns_are_not(tmp_path):
    write_folder(tmp_path, PICTURES)
    file = text(tmp_path, "s.csv", "image,label\na/0.png,x\n")
    assert read(file, label_column=("alphabet", "character")).targets == ["x"]
    other = text(tmp_path, "o.csv", "image,name\na/0.png,x\n")
    with pytest.raises(DataError, match=r"no column 'label' \(--target-column\); it has 'image'"):
        read(other, label_column=("alphabet", "character"))


def test_whole_numbers_are_the_same_classes_whatever_their_type(tmp_path):
    pictures = [png(picture(0, 0)), png(picture(1, 0))]
    whole = write_parquet(tmp_path / "a.parquet", image=pictures, label=[1, 2])
    floats = write_parquet(tmp_path / "b.parquet", image=pictures, label=[1.0, 2.0])
    assert read(whole).targets == read(floats).targets == ["1", "2"]


def test_queries_may_be_a_zip_without_folders(tmp_path):
    flat = write_zip(tmp_path / "q.zip", {"1.png": png(picture(0, 1))})
    assert (read(flat, "query").names, read(flat, "query").targets) == (["1.png"], None)
    with pytest.raises(DataError, match="is in no folder"):
        read(flat)


def test_images_are_made_what_the_runs_own_were_and_it_is_said(tmp_path):
    write_folder(tmp_path, {"a/0.png": png(coloured(size=12)), "b/0.png": png(picture(1, 0))})
    examples = read(tmp_path, invert=True)
    assert examples.inputs.shape == (2, 8, 8, 1)
    np.testing.assert_allclose(examples.inputs[1, ..., 0] * 255, 255 - picture(1, 0), rtol=1e-5)
    assert examples.notes == [
        "--support: 1 of 2 images were resized to 8 x 8 (the first was 12 x 12)",
        "--support: 1 of 2 images were in colour, made grey",
    ]
    assert (
        read(tmp_path, channels=3).notes[1] == "--support: 1 of 2 images were grey, made in colour"
    )


@pytest.mark.parametrize("column", [list, tuple, np.array, pd.Series])
def test_a_column_of_paths_names_files_and_keys_of_a_dict_do_not(tmp_path, column):
    write_folder(tmp_path, {"a.png": png(picture(1, 0))})
    inputs = reader().inputs(column([str(tmp_path / "a.png")]))
    np.testing.assert_allclose(inputs[0, ..., 0] * 255, picture(1, 0), rtol=1e-5)
    with pytest.raises(ValueError, match="inputs"):
        reader().inputs({str(tmp_path / "a.png"): 0})


def test_a_class_without_an_image_is_told(tmp_path):
    write_folder(tmp_path, PICTURES)
    (tmp_path / "c").mkdir()
    (tmp_path / ".hidden").mkdir()
    with pytest.raises(DataError, match="the class 'c' has no image"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("make", "columns", "message"),
    [
        (lambda f: f / "gone", Columns(), "does not exist; give a folder of CLASS/IMAGE"),
        (lambda f: f, Columns(), "holds no images"),
        (lambda f: text(f, "a.txt", "hello"), Columns(), "is not a folder of CLASS/IMAGE"),
        (lambda f: text(f, "a.csv", "x,y\n1,2\n"), Columns(), r"no column 'image' \(--input-col"),
        (lambda f: table(f), Columns(("image", "label")), "an image is in one column"),
        (lambda f: table(f), Columns(target="no"), r"no column 'no' \(--target-column\)"),
        (lambda f: table(f), Columns(task="no"), r"no column 'no' \(--task-column\)"),
        (lambda f: table(f, image=[b"no image"]), Columns(), "row 0: not an image that Pillow"),
        (lambda f: table(f, image=[None]), Columns(), "row 0 has no image"),
        (lambda f: table(f, image=["gone.png"]), Columns(), r"row 0: gone\.png: cannot be read"),
        (lambda f: table(f, image=[1.5]), Columns(), "row 0 holds float, not an image"),
        (lambda f: table(f, label=[None]), Columns(), "row 0 has no 'label'"),
        (
            lambda f: write_folder(f, {**PICTURES, "a/bad.png": b"no"}),
            Columns(),
            r"a/bad\.png: not an image that Pillow can read",
        ),
        (
            lambda f: write_folder(f, PICTURES),
            Columns(task="t"),
            "--task-column is for tables",
        ),
    ],
)
def test_wrong_images_are_told(tmp_path, make, columns, message):
    with pytest.raises(DataError, match=message):
        read(make(tmp_path), columns=columns)


def text(folder, name, content):
    (folder / name).write_text(content)
    return folder / name


def table(folder, **columns):
    table = {"image": [png(picture(0, 0))], "label": ["a"], **columns}
    return write_parquet(folder / "t.parquet", **table)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((2, 8, 8, 3), np.float32), r"inputs have shape \[2, 8, 8, 3\]"),
        (np.zeros((0, 8, 8, 1), np.float32), "inputs are empty; give one example or more"),
        (np.full((1, 8, 8, 1), np.nan, np.float32), r"inputs\[0\] is not finite"),
        (np.full((1, 8, 8, 1), 255, np.float32), r"values from 255 to 255; .* \[0, 1\]"),
        (np.zeros((40, 40), np.uint8), r"inputs of shape \[40, 40\]; uint8 images are"),
        (np.zeros((2, 8, 8, 5), np.uint8), r"inputs of shape \[2, 8, 8, 5\]; uint8"),
        (["gone.png"], r"inputs: there is no file gone\.png"),
        ([None, None], "inputs are neither an array of images"),
        ([np.zeros((8, 8, 1)), np.zeros((9, 9, 1))], "inputs are neither an array of images"),
    ],
)
def test_arrays_of_another_shape_are_refused(inputs, message):
    with pytest.raises(ValueError, match=message):
        reader().inputs(inputs)


def test_arrays_of_bytes_are_images_of_any_size():
    pixels = np.stack([coloured(i, size=12) for i in range(2)])
    assert reader(channels=3).inputs(pixels).shape == (2, 8, 8, 3)
    assert reader().inputs(pixels[..., :1]).shape == (2, 8, 8, 1)
    assert reader().inputs(pixels[..., 0]).shape == (2, 8, 8, 1)


def test_images_are_turned_and_laid_on_white_as_in_training(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    stream, clear = io.BytesIO(), io.BytesIO()
    Image.fromarray(picture(0, 0)).save(stream, "PNG", exif=exif)
    Image.new("LA", (8, 8), (0, 0)).save(clear, "PNG")
    contents = {"a/0.png": stream.getvalue(), "b/0.png": clear.getvalue()}
    source = write_folder(tmp_path / "s", contents)
    examples = read(source)
    task = ImagesTask(path=str(source), cache=str(tmp_path / "cache"), image_size=8)
    trained = open_cache(find_files(task.path), task).pixels / np.float32(255)
    np.testing.assert_array_equal(examples.inputs, trained)
    np.testing.assert_array_equal(examples.inputs[0, ..., 0] * 255, np.rot90(picture(0, 0), -1))
    assert (examples.inputs[1] == 1).all()
    assert examples.notes == [
        "--support: 1 of 2 images were turned upright, as their orientation says",
        "--support: 1 of 2 images were laid on white where they are transparent",
    ]


def test_hugging_faces_files_of_paths_and_numbered_classes_are_read(tmp_path):
    write_folder(tmp_path, PICTURES)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = [{"bytes": None, "path": "a/0.png"}, {"bytes": png(picture(1, 0)), "path": "b/0.png"}]
    described = {"info": {"features": {"label": {"_type": "ClassLabel", "names": ["cat", "dog"]}}}}
    columns = {"image": pa.array(images, kind), "label": pa.array([1, 0])}
    file = tmp_path / "s.parquet"
    written = pa.table(columns).replace_schema_metadata({"huggingface": json.dumps(described)})
    pq.write_table(written, file)
    examples = read(file)
    assert examples.targets == ["dog", "cat"]
    np.testing.assert_allclose(examples.inputs[0, ..., 0] * 255, picture(0, 0), rtol=1e-5)
    images[0]["path"] = "gone.png"
    columns["image"] = pa.array(images, kind)
    pq.write_table(pa.table(columns), file)
    with pytest.raises(DataError, match=r"s\.parquet: row 0: gone\.png: cannot be read"):
        read(file)


def test_the_size_and_the_colours_are_those_of_the_model_where_the_data_decided(tmp_path):
    write_folder(tmp_path, PICTURES)
    shapes = UserTaskShapes(input_shape=(8, 8, 3), num_outputs=2)
    examples = ImageReader(ImagesTask(image_size="auto", channels="auto"), shapes).read(
        str(tmp_path), "support", Columns()
    )
    assert examples.inputs.shape[1:] == (8, 8, 3)


def test_only_a_list_or_tuple_of_paths_names_files(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(PICTURES["a/0.png"])
    for paths in ([file], (str(file),)):
        assert reader().inputs(paths).shape == (1, 8, 8, 1)
    for other in ({str(file): [0.0]}, {str(file)}, 3, True, str(file), iter([str(file)])):
        with pytest.raises(ValueError, match=r"nor a list of paths|inputs have shape"):
            reader().inputs(other)
